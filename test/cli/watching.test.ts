/** `tsbridge events`, `logs`, `metrics` and `health`: what they ask for, print and end with. */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { eventRoutes } from '../../src/admin/routes/events.js';
import { createAdminServer } from '../../src/admin/server.js';
import { dispatch } from '../../src/cli/dispatch.js';
import { isWanted, parseLogLine } from '../../src/cli/log-lines.js';
import { since } from '../../src/cli/table/kinds.js';
import type { Terminal } from '../../src/cli/terminal.js';
import type { Event } from '../../src/driver/telemetry.js';
import { EventRing } from '../../src/operator/events/ring.js';
import { endpointId, networkId } from '../fakes/inputs.js';
import { RecordingLog } from '../fakes/recording-log.js';
import { documentsOf, itemsOf } from '../process/documents.js';

async function run(args: readonly string[], end = new AbortController()) {
  const said = { out: '', err: '', end };
  const terminal: Terminal = {
    environment: {},
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
    interruption: () => end.signal,
  };
  return { code: await dispatch(args, terminal), ...said };
}

const ids = { network: networkId, endpoint: endpointId } as never as {
  network: (Event & { kind: 'published' })['network'];
  endpoint: (Event & { kind: 'published' })['endpoint'];
};
const every: readonly Event[] = [
  { kind: 'call', method: 'NetworkDriver.Join', ...ids, durationMs: 3.2, code: 'ok' },
  {
    ...{ kind: 'repair', what: 'rules', by: 'iptables (process 4711)', programs: ['iptables'] },
    ...{ count: 3, first: ['append filter FORWARD -j DOCKER-USER'], durationMs: 148.4 },
  },
  { kind: 'drift', what: 'links', count: 1, first: ['set br-0 {"up":true}'] },
  { kind: 'drift', what: 'settings', count: undefined, first: [] },
  { kind: 'published', by: 'docker', ...ids, count: 2, first: ['0.0.0.0:80/tcp', '[::]:80/tcp'] },
  { kind: 'released', by: 'operator', ...ids, count: 1, first: ['0.0.0.0:80/tcp'] },
  { kind: 'degraded', reason: 'proxy-lost', text: 'it is \u001b[31mgone' },
  { kind: 'recovered', reason: 'proxy-lost', text: 'it is gone' },
  { kind: 'names', state: 'stale', text: 'dockerd is down' },
  { kind: 'operator', action: 'forget', text: 'network 1' },
];

/** A daemon that has these answers and nothing else. */
async function daemon(
  t: { teardown(end: () => unknown): void },
  answers: Readonly<Record<string, readonly [status: number, text: string]>> = {},
  ring = new EventRing(),
) {
  const folder = mkdtempSync(join(tmpdir(), 'tsbridge-'));
  const server = createAdminServer(
    [
      eventRoutes(ring),
      (app) => {
        for (const [path, [status, text]] of Object.entries(answers)) {
          app.get(path, (_request, reply) => reply.status(status).type('text/plain').send(text));
        }
      },
    ],
    new RecordingLog(),
  );
  await server.app.ready();
  server.app.server.listen(join(folder, 'admin.sock'));
  await once(server.app.server, 'listening');
  t.teardown(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
  return { folder, ring, place: ['--runtime-dir', folder], server };
}

t.test('events in words, and as lines that fit their schema', async (t) => {
  const { ring, place } = await daemon(t);
  for (const event of every) ring.add(event);
  const { code, out } = await run(['events', ...place]);
  t.equal(code, 0);
  t.match(out.split('\n'), [
    /^2\S+Z {2}call {7}NetworkDriver.Join network \w{12}, endpoint \w{12}: ok, 3.2 ms$/,
    / {2}repair {5}rules, changed by iptables \(process 4711\): 3 changes, 148 ms after: append filter FORWARD -j DOCKER-USER and 2 more$/,
    /drift {6}1 changes of links are necessary: set br-0/,
    /drift {6}settings are not as they should be$/,
    /published {2}0.0.0.0:80\/tcp, \[::\]:80\/tcp of endpoint \w{12}, network \w{12}, by docker$/,
    /released/,
    /degraded {3}it is \\u001b\[31mgone \(proxy-lost\)$/,
    /recovered/,
    /names {6}stale: dockerd is down$/,
    /operator {3}forget: network 1$/,
  ]);
  const json = await run(['events', ...place, '--json', '--since', '5']);
  const lines = documentsOf(json.out) as unknown as { kind: string; id: number }[];
  t.strictSame(
    lines.map(({ kind }) => kind),
    ['gap', ...every.map(({ kind }) => kind)],
  );
  const some = await run([
    'events',
    ...place,
    '--kind',
    'repair',
    '--kind',
    'drift',
    '--not',
    'drift',
  ]);
  t.equal(some.out.split('\n').length, 2);
  const rest = await run(['events', ...place, '--since', String(lines.at(-2)?.id)]);
  t.match(rest.out, /^\S+ {2}operator.*\n$/);
  t.match(
    (await run(['events', ...place, '--since', '2'])).out,
    /gap {8}all from 3 to \d+ are gone/,
  );
});

t.test('who follows ends with Ctrl-C, and is told when the daemon goes', async (t) => {
  const { ring, place, server } = await daemon(t);
  const end = new AbortController();
  const running = run(['events', '--follow', ...place], end);
  const adding = setInterval(() => ring.add(every[9] as Event), 10);
  t.teardown(() => clearInterval(adding));
  while (server.app.server.listening && ring.last % 1_000 < 5) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  end.abort();
  const ended = await running;
  t.equal(ended.code, 0);
  t.match(ended.out, /operator/);
  const other = run(['events', '--follow', ...place]);
  await new Promise((resolve) => setTimeout(resolve, 100));
  await server.close();
  const gone = await other;
  t.equal(gone.code, 1);
  t.match(gone.err, /asking the daemon|does not run/);
});

t.test('events that cannot be had', async (t) => {
  t.match(await run(['events', '--kind', 'repairs']), { code: 2, err: /repairs/ });
  t.match(await run(['events', '--since', 'yesterday']), { code: 2, err: /how long ago/ });
  t.match(await run(['events', '--runtime-dir', '/nowhere']), { code: 1, err: /does not run/ });
  for (const [text, holds] of [
    ['17', true],
    ['90s', true],
    ['2h', true],
    ['2026-11-26T14:00:00Z', true],
    ['2026-11-26T14:00:00+02:00', true],
    ['2026-13-26T14:00:00Z', false],
    ['10', true],
    ['10w', false],
    ['', false],
  ] as const) {
    t.equal(since.parse(text) !== undefined, holds, text);
  }
  t.equal(since.parse('2026-11-26T14:00:00+02:00'), '2026-11-26T12:00:00.000Z');
});

t.test('metrics are printed, or replace a file as a whole', async (t) => {
  const text = '# HELP a b\n# TYPE a gauge\na 1\n';
  const { folder, place } = await daemon(t, { '/metrics': [200, text] });
  t.match(await run(['metrics', ...place]), { code: 0, out: text, err: '' });
  const file = join(folder, 'tsbridge.prom');
  writeFileSync(file, 'old');
  t.match(await run(['metrics', '--write', file, ...place]), { code: 0, out: '' });
  t.equal(readFileSync(file, 'utf8'), text);
  t.strictSame(readdirSync(folder).sort(), ['admin.sock', 'tsbridge.prom']);
  const nowhere = await run(['metrics', '--write', '/nowhere/x.prom', ...place]);
  t.match(nowhere, { code: 1, err: /writing \/nowhere\/x.prom: .*is \/nowhere there/ });
  const other = await daemon(t, { '/metrics': [500, 'no memory'] });
  t.match(await run(['metrics', ...other.place]), { code: 1, err: /no memory/ });
});

t.test('health ends with 0, 3 or 1', async (t) => {
  const report = (ok: boolean) =>
    JSON.stringify({
      schema: 'tsbridge.health/1',
      ok,
      checks: [{ name: 'proxy', ok, text: 'process 7' }],
    });
  const { place } = await daemon(t, {
    '/health/ready': [503, report(false)],
    '/health/live': [200, report(true)],
  });
  t.match(await run(['health', ...place]), { code: 3, out: /proxy {2}NOT OK: process 7/ });
  t.match(await run(['health', '--live', ...place]), { code: 0, out: /proxy {2}ok: process 7/ });
  t.match(await run(['health', '--quiet', ...place]), { code: 3, out: '', err: '' });
  const { out } = await run(['health', '--json', ...place]);
  t.strictSame(itemsOf(out), [{ name: 'proxy', ok: false, text: 'process 7' }]);
  t.match(await run(['health', '--quiet', '--runtime-dir', '/nowhere']), { code: 1 });
  t.match(await run(['health', ...(await daemon(t)).place]), { code: 1, err: /not known here/ });
});

const logText = [
  '{"level":"info","time":"2026-11-26T14:00:00.000Z","method":"NetworkDriver.Join","network":"51e0a1b2c3d4","durationMs":3.2,"outcome":"ok","msg":"call"}',
  '{"level":"warn","time":"2026-11-26T14:00:01.000Z","method":"NetworkDriver.Join","network":"aaaaaaaaaaaa","outcome":"error","error":{"message":"Bind for 0.0.0.0:80 failed","code":"port-allocated"},"msg":"call"}',
  '{"level":"error","time":"2026-11-26T14:00:02.000Z","bridge":"br-51e0a1b2c3d4","words":"a \\"b\\"","msg":"evil \\u001b]0;title"}',
  'tsbridge.service: Main process exited, code=killed',
  '{"level":"loud","msg":"of another program"}',
  '{"half":',
  '',
].join('\n');

t.test('the log is readable, and can be narrowed', async (t) => {
  const { folder, place } = await daemon(t, {
    '/v1/names': [
      200,
      JSON.stringify({
        ...{ from: 'docker', asOf: '2026-11-26T19:02:40.131Z', stale: false, containers: [] },
        networks: [{ id: `51e0a1b2c3d4${'0'.repeat(52)}`, name: 'app' }],
      }),
    ],
  });
  const file = join(folder, 'log');
  writeFileSync(file, logText);
  const logs = async (...args: string[]) => {
    const { code, out, err } = await run(['logs', '--file', file, ...args, ...place]);
    t.equal(code, 0, err);
    return out.trimEnd().split('\n');
  };
  t.strictSame(await logs(), [
    '2026-11-26T14:00:00.000Z info  call  method=NetworkDriver.Join  network=51e0a1b2c3d4  durationMs=3.2  outcome=ok',
    '2026-11-26T14:00:01.000Z warn  call  method=NetworkDriver.Join  network=aaaaaaaaaaaa  outcome=error  error="Bind for 0.0.0.0:80 failed" (port-allocated)',
    '2026-11-26T14:00:02.000Z error evil \\u001b]0;title  bridge=br-51e0a1b2c3d4  words="a \\"b\\""',
    'tsbridge.service: Main process exited, code=killed',
    '{"level":"loud","msg":"of another program"}',
    '{"half":',
  ]);
  t.equal((await logs('--level', 'warn')).length, 2);
  for (const network of ['51e0', 'br-51e0a1b2c3d4', 'app']) {
    t.equal((await logs('--network', network)).length, 2, network);
  }
  const coloured = await run(['logs', '--file', file, '--color', 'always', ...place]);
  t.ok(coloured.out.includes('\u001b['));
  const nowhere = await run(['logs', '--file', '/nowhere', ...place]);
  t.match(nowhere, { code: 1, err: /reading \/nowhere/ });
  const line = parseLogLine(logText.split('\n')[0] ?? '');
  if (line === undefined) throw new Error('no line');
  t.equal(isWanted(line, { level: 'info', networks: [`51e0a1b2c3d4${'0'.repeat(52)}`] }), true);
  t.equal(isWanted(line, { level: 'info', networks: ['52'] }), false);
});

t.test('the journal is read by journalctl', async (t) => {
  const { folder, place } = await daemon(t);
  const path = process.env.PATH;
  const program = join(folder, 'journalctl');
  t.teardown(() => {
    process.env.PATH = path;
  });
  process.env.PATH = `${folder}:${path}`;
  writeFileSync(program, '#!/bin/sh\necho "$@"\n', { mode: 0o755 });
  const args = '--unit=tsbridge.service --output=cat --no-pager --quiet';
  t.equal((await run(['logs', ...place])).out, `${args} --lines=1000\n`);
  t.equal(
    (await run(['logs', '--since', '10 min ago', ...place])).out,
    `${args} --since=10 min ago\n`,
  );
  writeFileSync(program, '#!/bin/sh\necho "No journal files were found." >&2\nexit 1\n');
  t.match(await run(['logs', ...place]), { code: 1, err: /No journal files.*--file/s });
  writeFileSync(program, '#!/bin/sh\necho first\nexec sleep 60\n');
  const end = new AbortController();
  const following = run(['logs', '--follow', ...place], end);
  await new Promise((resolve) => setTimeout(resolve, 300));
  end.abort();
  t.match(await following, { code: 0 });
});
