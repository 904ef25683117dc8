/** The operator's socket: what is asked, answered and refused. */
import t from 'tap';
import { createAdminServer } from '../../src/admin/server.js';
import { DriverError } from '../../src/core/errors.js';
import type { NetworkId } from '../../src/core/names.js';
import type { Operator, Reconciliation, Status } from '../../src/operator/status.js';
import { RecordingLog } from '../fakes/recording-log.js';

const status = { state: 'serving', networks: 2 } as Status;

function setUp(reconcile?: (dryRun: boolean) => Promise<Reconciliation>) {
  const asked: boolean[] = [];
  const operator: Operator = {
    status: async () => status,
    reconcile: async (dryRun) => {
      asked.push(dryRun);
      if (reconcile !== undefined) return reconcile(dryRun);
      const rules = ['create-chain nat DOCKER'];
      return { dryRun, changes: { rules, links: [], zones: [] }, forgotten: [] };
    },
    forget: async (network, dryRun) => {
      asked.push(dryRun);
      if (network === 'busy') throw new DriverError('network-busy', 'in use');
      const id = 'a'.repeat(64) as NetworkId;
      return { id, bridge: network, bridgeGoes: true, subnets: [] };
    },
  };
  const log = new RecordingLog();
  const server = createAdminServer(operator, log);
  const post = (payload?: object | string) =>
    server.app.inject({
      method: 'POST',
      url: '/reconcile',
      headers: { 'content-type': 'application/json' },
      ...(payload === undefined ? {} : { payload }),
    });
  return { asked, log, server, post };
}

t.test('the admin socket answers GET /status', async (t) => {
  const { server } = setUp();
  const answer = await server.app.inject('/status');
  t.equal(answer.statusCode, 200);
  t.match(answer.headers['content-type'], /^application\/json/);
  t.strictSame(answer.json(), status);
});

t.test('the admin socket reconciles, and with dryRun only tells what it would do', async (t) => {
  const { asked, log, post } = setUp();
  const answer = await post({ dryRun: true });
  t.equal(answer.statusCode, 200);
  t.strictSame(answer.json(), {
    dryRun: true,
    rules: ['create-chain nat DOCKER'],
    links: [],
    zones: [],
    forgotten: [],
  });
  await post({ dryRun: false });
  t.strictSame(asked, [true, false]);
  t.match(log.lines, [
    { level: 'info', fields: { dryRun: true, rules: 1, links: 0 } },
    { level: 'info', fields: { dryRun: false } },
  ]);
});

t.test('forget, for real and not', async (t) => {
  const { asked, log, server } = setUp();
  const post = (payload: object) => server.app.inject({ method: 'POST', url: '/forget', payload });
  const answer = await post({ network: 'br-a', dryRun: true });
  t.match(answer.json(), { bridge: 'br-a', bridgeGoes: true });
  await post({ network: 'br-a', dryRun: false });
  t.strictSame(asked, [true, false]);
  t.match(log.lines[0], { level: 'info', fields: { dryRun: true, network: 'aaaaaaaaaaaa' } });
  t.match((await post({ network: 'busy', dryRun: false })).json(), {
    error: { code: 'network-busy', message: 'in use' },
  });
  for (const body of [{}, { network: 'a' }, { network: 7, dryRun: true }, { dryRun: true }]) {
    t.equal((await post(body)).statusCode, 400, JSON.stringify(body));
  }
  t.equal((await post({ network: 'x'.repeat(65), dryRun: true })).statusCode, 400);
  t.equal(asked.length, 3, 'what is not understood reaches nobody');
});

t.test('what is not understood changes nothing', async (t) => {
  const { asked, post, server } = setUp();
  for (const body of [{}, { dryRun: 'yes' }, { dryRun: null }, { dryRun: true, force: true }, []]) {
    const answer = await post(body);
    t.equal(answer.statusCode, 400, JSON.stringify(body));
    t.equal(answer.json().error.code, 'bad-request');
  }
  for (const text of ['', '{', 'null']) t.equal((await post(text)).statusCode, 400, text);
  t.equal((await post(`{"dryRun": true, "x": "${'x'.repeat(70_000)}"}`)).statusCode, 400);
  t.strictSame(asked, []);
  for (const [method, url] of [
    ['GET', '/reconcile'],
    ['POST', '/status'],
    ['GET', '/'],
  ] as const) {
    const answer = await server.app.inject({ method, url });
    t.equal(answer.statusCode, 404);
    t.match(answer.json(), {
      error: { code: 'method-unknown', message: `${method} ${url} is not known here` },
    });
  }
});

t.test('the admin socket answers a failure with its code and message', async (t) => {
  const known = setUp(async () => {
    throw new DriverError('firewall-failed', 'changing the IPv4 rules: no memory');
  });
  const answer = await known.post({ dryRun: false });
  t.equal(answer.statusCode, 500);
  t.strictSame(answer.json(), {
    error: { code: 'firewall-failed', message: 'changing the IPv4 rules: no memory' },
  });
  t.match(known.log.lines, [{ level: 'warn', message: 'operator call failed' }]);
  const defect = setUp(async () => {
    throw new TypeError('x is not a function');
  });
  t.match((await defect.post({ dryRun: false })).json(), { error: { code: 'internal' } });
  await defect.server.close();
});
