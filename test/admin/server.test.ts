/** The operator's socket: what is asked, answered and refused. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import t from 'tap';
import { upkeepRoutes } from '../../src/admin/routes/upkeep.js';
import { createAdminServer } from '../../src/admin/server.js';
import { DriverError } from '../../src/core/errors.js';
import type { NetworkId } from '../../src/core/names.js';
import type { Happening } from '../../src/driver/telemetry.js';
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
    gc: async (dryRun) => {
      asked.push(dryRun);
      return { networks: [], endpoints: [], kept: ['network br-1: it is in use'] };
    },
  };
  const log = new RecordingLog();
  const told: Happening[] = [];
  const telemetry = { tell: (happening: Happening) => void told.push(happening) };
  const server = createAdminServer([upkeepRoutes(operator, telemetry)], log);
  const post = (payload?: object | string) =>
    server.app.inject({
      method: 'POST',
      url: '/reconcile',
      headers: { 'content-type': 'application/json' },
      ...(payload === undefined ? {} : { payload }),
    });
  return { asked, log, told, server, post };
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

t.test('what an operator changes is an event, what would be changed is none', async (t) => {
  const { server, told } = setUp();
  for (const dryRun of [true, false]) {
    for (const [url, more] of [
      ['/reconcile', {}],
      ['/forget', { network: 'br-a' }],
      ['/v1/gc', {}],
    ] as const) {
      await server.app.inject({ method: 'POST', url, payload: { ...more, dryRun } });
    }
  }
  const event = (action: string, text: string) => ({ kind: 'operator', action, text });
  t.strictSame(told, [
    event('reconcile', 'rules: 1 changes, links: 0 changes, zones: 0 changes'),
    event('forget', 'aaaaaaaaaaaa'),
    event('gc', 'networks: 0 removed, endpoints: 0 removed, kept: 1'),
  ]);
});

t.test('who never finishes a request is sent away, and others are answered', async (t) => {
  const route = (app: FastifyInstance): void => {
    app.get('/slow', () => sleep(400, { slow: true }));
    app.post('/status', () => ({}));
  };
  const server = createAdminServer([route], new RecordingLog(), 100);
  // Not in t.testdir(): the path of a socket has 107 bytes at most.
  const folder = mkdtempSync(join(tmpdir(), 'tsbridge-admin-'));
  const path = join(folder, 'admin.sock');
  t.teardown(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
  await server.app.ready();
  await new Promise<void>((resolve) => void server.app.server.listen({ path }, resolve));
  const head = 'POST /status HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n';
  const closed = ['', 'GET /sta', head, `${head}\r\n{`].map((begun) => {
    const client = connect({ path }, () => void client.write(begun));
    return once(client.resume(), 'close');
  });
  const patient = connect({ path }, () => void patient.write('GET /slow HTTP/1.1\r\n\r\n'));
  const [answer] = await once(patient, 'data');
  t.match(String(answer), /200 OK.*"slow":true/s, 'an answer may take any time');
  patient.destroy();
  t.equal((await Promise.all(closed)).length, 4);
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
