/** The schemas of both sockets are schemas: the servers themselves do not look at each start. */
import fastify from 'fastify';
import t from 'tap';
import { forgetBody, reconcileBody } from '../../../src/admin/routes/upkeep.js';
import { routes } from '../../../src/frontends/libnetwork/routes.js';

/** What a server that does look says of these bodies. */
async function check(bodies: readonly unknown[]): Promise<void> {
  const app = fastify();
  bodies.forEach((body, index) => {
    app.post(`/${index}`, { schema: { body } }, () => '');
  });
  await app.ready();
}

t.test('all schemas of calls are valid JSON schemas', async (t) => {
  const bodies = [...routes.flatMap(({ schema }) => schema?.json ?? []), reconcileBody, forgetBody];
  t.equal(bodies.length, 12);
  await t.resolves(check(bodies));
});

t.test('a schema that is none is refused', async (t) => {
  await t.rejects(check([{ type: 'objekt' }]), { message: /schema is invalid/ });
});
