/** The operator's socket: what is asked, answered and refused. */
import t from 'tap';
import { createAdminServer } from '../../src/admin/server.js';
import { DriverError } from '../../src/core/errors.js';
import type { Operator, Reconciliation, Status } from '../../src/operator/status.js';
import { RecordingLog } from '../fakes/recording-driver.js';

const status = { state: 'serving', networks: 2 } as Status;

function setUp(reconcile?: (dryRun: boolean) => Promise<Reconciliation>) {
  const asked: boolean[] = [];
  const operator: Operator = {
    status: async () => status,
    reconcile: async (dryRun) => {
      asked.push(dryRun);
      if (reconcile !== undefined) return reconcile(dryRun);
      return { dryRun, rules: ['create-chain nat DOCKER'], links: [], zones: [] };
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

t.test('status', async (t) => {
  const { server } = setUp();
  const answer = await server.app.inject('/status');
  t.equal(answer.statusCode, 200);
  t.match(answer.headers['content-type'], /^application\/json/);
  t.strictSame(answer.json(), status);
});

t.test('reconcile, for real and not', async (t) => {
  const { asked, log, post } = setUp();
  const answer = await post({ dryRun: true });
  t.equal(answer.statusCode, 200);
  t.strictSame(answer.json(), {
    dryRun: true,
    rules: ['create-chain nat DOCKER'],
    links: [],
    zones: [],
  });
  await post({ dryRun: false });
  t.strictSame(asked, [true, false]);
  t.match(log.lines, [
    { level: 'info', fields: { dryRun: true, rules: 1, links: 0 } },
    { level: 'info', fields: { dryRun: false } },
  ]);
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

t.test('what fails', async (t) => {
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
