/** The schemas of both sockets are schemas: the servers themselves do not look at each start. */
import fastify from 'fastify';
import t from 'tap';
import { reconcileBody } from '../../src/admin/server.js';
import { routes } from '../../src/protocol/routes.js';

const bodies = [
  ...routes.map(({ method, schema }) => [method, schema?.json] as const),
  ['reconcile', reconcileBody] as const,
];

for (const [name, body] of bodies) {
  if (body === undefined) continue;
  t.test(name, async (t) => {
    const app = fastify();
    app.post('/', { schema: { body } }, () => '');
    await t.resolves(async () => void (await app.ready()));
    await app.close();
  });
}

t.test('what is none is refused', async (t) => {
  const app = fastify();
  app.post('/', { schema: { body: { type: 'objekt' } } }, () => '');
  await t.rejects(async () => void (await app.ready()), { message: /schema is invalid/ });
});
