/** What operators ask of publications: parsed once, answered in plain values. */
import fastify from 'fastify';
import t from 'tap';
import { publicationRoutes } from '../../src/admin/routes/publications.js';
import type { Happening } from '../../src/driver/telemetry.js';
import { Publishing } from '../../src/operator/publishing.js';
import { containerId, OperatedHost } from '../fakes/operator.js';

async function operated(uid: number | null = 1000) {
  const told: Happening[] = [];
  const host = await new OperatedHost().start();
  await host.createNetwork();
  await host.startContainer('web');
  const app = fastify();
  publicationRoutes(new Publishing(host.keeper, Promise.resolve()), () => uid ?? undefined, {
    tell: (happening) => void told.push(happening),
  })(app);
  app.setErrorHandler((error: Error & { code?: string }, _request, reply) =>
    reply.status(400).send({ code: error.code, message: error.message }),
  );
  const post = async (path: string, payload: object) => {
    const answer = await app.inject({ method: 'POST', url: `/v1/${path}`, payload });
    return answer.json() as Record<string, unknown>;
  };
  const list = async () => (await app.inject('/v1/publications')).json().publications as unknown[];
  return { host, post, list, told };
}

const ask = { container: 'web', ports: ['127.0.0.1:9000:80'], kept: 'container', ifFree: false };

t.test('published, listed and unpublished', async (t) => {
  const { post, list, told } = await operated();
  const document = {
    container: 'web',
    containerId: containerId('web'),
    network: { name: 'shop' },
    ports: '127.0.0.1:9000:80/tcp',
    kept: 'container',
    asker: { uid: 1000, sudoUser: 'jane' },
    state: 'open',
    reason: null,
    bindings: [
      {
        protocol: 'tcp',
        hostAddress: '127.0.0.1',
        hostPort: 9000,
        containerAddress: '10.5.0.2',
        containerPort: 80,
      },
    ],
  };
  const answer = await post('publish', { ...ask, network: 'shop', sudoUser: 'jane' });
  t.match(answer, { published: [document], already: false, taken: null });
  t.match(await post('publish', ask), { already: true });
  t.match(await list(), [document]);
  t.match(await post('unpublish', { container: 'web', ports: ask.ports }), {
    unpublished: [document],
  });
  t.match(await post('unpublish', { container: 'web' }), { unpublished: [] });
  t.strictSame(await list(), []);
  const text = '127.0.0.1:9000:80/tcp of web, by user 1000';
  t.strictSame(
    told,
    ['publish', 'unpublish'].map((action) => ({ kind: 'operator', action, text })),
    'what changes nothing is not told',
  );
});

t.test(
  'kept for a name, for one start; the container does not run; nobody knows who asked',
  async (t) => {
    const { host, post, list } = await operated(null);
    await post('publish', { ...ask, kept: 'name', sudoUser: 'jane\u001b[31m' });
    await post('publish', { ...ask, ports: ['9001:80'], kept: 'start' });
    t.match(await list(), [
      { kept: 'name', containerId: null, asker: { uid: null, sudoUser: null } },
      { kept: 'start', containerId: null },
    ]);
    await host.stopContainer();
    await host.clock.pass(100);
    t.match(await list(), [{ state: 'waiting', bindings: [] }]);
    host.host.hostPorts.foreign.set('127.0.0.1:9000/tcp', 'EADDRINUSE');
    await host.startContainer('web', 3, 'again');
    await host.told();
    t.match(await list(), [{ state: 'degraded', reason: /127\.0\.0\.1:9000/ }]);
  },
);

t.test('if it is free', async (t) => {
  const { host, post } = await operated();
  host.host.hostPorts.foreign.set('127.0.0.1:9000/tcp', 'EADDRINUSE');
  t.match(await post('publish', { ...ask, ifFree: true }), {
    published: [],
    already: false,
    taken: /127\.0\.0\.1:9000/,
  });
  t.match(await post('publish', ask), { code: 'port-unavailable' });
  t.match(await post('publish', { ...ask, container: 'db', ifFree: true }), {
    code: 'container-unknown',
  });
});

t.test('what is wrong is said, all at once, and nothing is done', async (t) => {
  const { post, list } = await operated();
  const wrong = (change: object) => post('publish', { ...ask, ...change });
  t.match(await wrong({ ports: ['x', '0:80'] }), {
    code: 'bad-request',
    message: /^reading the ports: 2 problems: \(1\) x is not .*\(2\) 0:80: ports are 1 to 65535/,
  });
  t.match(await wrong({ ports: [] }), { message: 'reading the ports: no port is named' });
  const all = ['10.0.0.1', '10.0.0.2'].map((address) => `${address}:1-65535:1-65535`);
  t.match(await wrong({ ports: all }), { message: /more than 65535 ports are named/ });
  t.match(await wrong({ container: '../web', network: 'a b' }), {
    message: /^finding the container: 2 problems: .*"a b" is neither a name nor an id/,
  });
  t.match(await wrong({ kept: 'ever' }), { message: /allowed values/ });
  t.match(await wrong({ more: true, ports: undefined }), { message: /required property/ });
  t.match(await post('unpublish', { container: 'web', ports: ['80'] }), { code: 'bad-request' });
  t.match(await post('unpublish', {}), { message: /required property/ });
  t.strictSame(await list(), []);
});
