/** A real daemon, watched by a real Prometheus and by a systemd that wants to hear from it. */
import type { RequestOptions } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import type { Daemon as DaemonType } from '../process/daemon.js';
import { inFreshNamespace, run } from '../process/netns.js';

const repository = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
// A download needs the machine's network: the run outside of the namespace is the one that finds it missing.
const prometheus = run(join(repository, 'scripts/prometheus-root'), []).trim();
inFreshNamespace();
const { default: t } = await import('tap');
const { spawn } = await import('node:child_process');
const { mkdtempSync, readFileSync, rmSync, writeFileSync } = await import('node:fs');
const http = await import('node:http');
const { tmpdir } = await import('node:os');
const { createInterface } = await import('node:readline');
const { setTimeout: sleep } = await import('node:timers/promises');
const { loadLibc } = await import('../../src/host/process/libc.js');
const { Daemon } = await import('../process/daemon.js');

// /run/xtables.lock and sandboxes of our own.
run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);

const monitoring = join(repository, 'monitoring');
const programs = join(prometheus, 'usr/bin');
const promtool = (args: readonly string[], input?: string) =>
  run(join(programs, 'promtool'), args, input);

const NetworkID = '1'.repeat(64);
const EndpointID = '1123456789abcdef'.repeat(4);
const ids = { NetworkID, EndpointID };

/** A network, and a container with a published port. */
async function fill(daemon: DaemonType): Promise<void> {
  const must = async (method: string, body: unknown): Promise<void> => {
    const { Err } = await daemon.call(method, body);
    if (Err !== undefined) throw new Error(`${method}: ${Err}`);
  };
  await must('CreateNetwork', {
    NetworkID,
    Options: { 'com.docker.network.generic': {} },
    IPv4Data: [{ AddressSpace: 'LocalDefault', Pool: '10.1.0.0/24', Gateway: '10.1.0.1/24' }],
    IPv6Data: [],
  });
  await must('CreateEndpoint', { ...ids, Interface: { Address: '10.1.0.2/24' }, Options: {} });
  await must('Join', { ...ids, SandboxKey: '/run/docker/netns/c1' });
  const port = { Proto: 6, IP: '', Port: 80, HostIP: '', HostPort: 18_080, HostPortEnd: 18_080 };
  const Options = { 'com.docker.network.portmap': [port] };
  await must('ProgramExternalConnectivity', { ...ids, Options });
}

function folderFor(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function start(t: Test, folder: string, options: Parameters<typeof Daemon.start>[1] = {}) {
  const daemon = await Daemon.start(folder, options);
  t.teardown(async () => {
    await daemon.kill('SIGKILL');
    for (const pid of daemon.proxyPids()) process.kill(pid, 'SIGKILL');
  });
  return daemon;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function fetchFrom(where: RequestOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = http.request(where, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    call.on('error', reject);
    call.end();
  });
}

const ask = (folder: string, path: string) =>
  fetchFrom({ socketPath: join(folder, 'run/admin.sock'), path });

async function until(what: string, holds: () => unknown): Promise<void> {
  for (let attempt = 0; attempt < 1_200; attempt += 1) {
    if (await holds()) return;
    await sleep(50);
  }
  throw new Error(`it never came: ${what}`);
}

t.test('promtool has no complaint about the metrics, the rules and their test', async (t) => {
  const folder = folderFor(t);
  const daemon = await start(t, folder);
  await fill(daemon);
  await daemon.call('Join', { ...ids, NetworkID: '2'.repeat(64), SandboxKey: '/run/x' });
  const { status, text } = await ask(folder, '/metrics');
  t.equal(status, 200);
  t.equal(promtool(['check', 'metrics'], text), '');
  for (const line of [
    'tsbridge_calls_total{method="NetworkDriver.Join",code="ok"} 1',
    'tsbridge_published_ports{protocol="tcp",family="4",path="rule",by="docker"} 1',
    'tsbridge_networks{phase="ready"} 1',
    'tsbridge_proxy_up 1',
    'tsbridge_proxy_listeners 2',
    'tsbridge_dropped_packets_known 1',
    'tsbridge_dropped_packets_total{reason="unpublished"} 0',
    'tsbridge_publications_pending 0',
  ]) {
    t.ok(text.includes(`${line}\n`), line);
  }
  t.match(text, /tsbridge_commits_total\{family="4",backend="[a-z]+",result="ok"\} [1-9]/);
  t.match(text, /tsbridge_rules_wanted\{family="4",table="nat"\} [1-9]/);
  promtool(['check', 'rules', join(monitoring, 'alerts.yml')]);
  promtool(['test', 'rules', join(monitoring, 'alerts.test.yml')]);
  promtool(['check', 'config', join(monitoring, 'prometheus.yml')]);
});

t.test('Prometheus scrapes the daemon, and understands rules and dashboard', async (t) => {
  const folder = folderFor(t);
  const daemon = await start(t, folder, { args: ['--metrics-listen', '127.0.0.1:9469'] });
  await fill(daemon);
  const config = readFileSync(join(monitoring, 'prometheus.yml'), 'utf8')
    .replace('scrape_interval: 15s', 'scrape_interval: 1s')
    .replace('alerts.yml', join(monitoring, 'alerts.yml'));
  writeFileSync(join(folder, 'prometheus.yml'), config);
  const prometheus = spawn(
    join(programs, 'prometheus'),
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      '--web.listen-address=127.0.0.1:9090',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  prometheus.stderr.on('data', (text) => {
    said += String(text);
  });
  t.teardown(async () => {
    prometheus.kill('SIGKILL');
    await new Promise((resolve) => prometheus.once('close', resolve));
  });
  const api = async (path: string) => {
    const answer = await fetchFrom({ host: '127.0.0.1', port: 9_090, path: `/api/v1/${path}` });
    return { status: answer.status, data: JSON.parse(answer.text).data };
  };
  const query = async (expression: string) => {
    const { status, data } = await api(`query?query=${encodeURIComponent(expression)}`);
    t.equal(status, 200, expression);
    return (data.result as { value: [number, string] }[]).map(({ value }) => value[1]);
  };
  await until('a scrape', async () => {
    if (prometheus.exitCode !== null) throw new Error(said);
    const answer = await api('query?query=up').catch(() => undefined);
    return answer?.data.result[0]?.value[1] === '1';
  });
  t.strictSame(await query('tsbridge_state{job="tsbridge",state="serving"}'), ['1']);
  t.strictSame(await query('sum(tsbridge_published_ports)'), ['2']);
  const rules = (await api('rules')).data.groups.flatMap(
    (group: { rules: readonly { name: string; health: string }[] }) => group.rules,
  );
  t.ok(rules.length > 10);
  const dashboard = readFileSync(join(monitoring, 'dashboard.json'), 'utf8')
    .replaceAll('$__rate_interval', '1m')
    .replaceAll(/\$(?:job|instance)\b/g, '.*');
  const { panels, annotations } = JSON.parse(dashboard);
  const targets = panels.flatMap((panel: { targets?: unknown[] }) => panel.targets ?? []);
  t.ok(targets.length > 25);
  const { text } = await ask(folder, '/metrics');
  const known = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
  for (const { expr } of [...targets, ...annotations.list]) {
    await query(expr);
    for (const [name] of expr.matchAll(/\b(?:tsbridge|process|nodejs)_[a-z_]+/g)) {
      const base = name.replace(/_(?:bucket|sum|count)$/, '');
      t.ok(known.has(name) || known.has(base), `${name} of the dashboard is a metric`);
    }
  }
  const alerts = readFileSync(join(monitoring, 'alerts.yml'), 'utf8');
  for (const [name] of alerts.matchAll(/\btsbridge_[a-z_]+/g)) {
    t.ok(known.has(name.replace(/_bucket$/, '')), `${name} of the alerts is a metric`);
  }
});

interface Word {
  readonly text: string;
  /** When it was read, in milliseconds of the machine's clock. */
  readonly at: number;
}

/** systemd's side of the socket: has each word that comes. `untilAllCame` waits for those that have been sent. */
async function listenAsSystemd(t: Test, path: string) {
  const script = [
    'import socket,sys,time',
    's=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)',
    's.bind(sys.argv[1])',
    'print("bound",flush=True)',
    'while True: print(s.recv(4096).decode(),time.time()*1000,flush=True)',
  ];
  const child = spawn('python3', ['-c', script.join('\n'), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const words: Word[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [text = '', at] = line.split(' ');
    words.push({ text, at: Number(at) });
  });
  const came = (word: string) => until(word, () => words.some(({ text }) => text === word));
  await came('bound');
  const untilAllCame = async (): Promise<void> => {
    // Datagrams to one socket stay in order.
    const mark = `MARK=${words.length}`;
    while (!loadLibc().trySendDatagram(path, mark)) await sleep(10);
    await came(mark);
  };
  return { words, came, untilAllCame };
}

t.test('the watchdog is fed only while the proxy process answers', async (t) => {
  const folder = folderFor(t);
  const path = join(folder, 'notify');
  const { words, came, untilAllCame } = await listenAsSystemd(t, path);
  const allBeats = () => words.filter(({ text }) => text === 'WATCHDOG=1');
  const beats = () => allBeats().length;
  const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: '600000' };
  const daemon = await start(t, folder, { env });
  await came('READY=1');
  await until('a word without a proxy process', () => beats() > 2);
  t.strictSame(daemon.proxyPids(), [], 'one that need not run does not count');

  await fill(daemon);
  const before = beats();
  await until('a word with one', () => beats() > before + 2);
  t.equal((await ask(folder, '/health/ready')).status, 200);
  const [pid] = daemon.proxyPids();
  if (pid === undefined) throw new Error('no proxy process');
  process.kill(pid, 'SIGSTOP');
  // What was asked before may have been answered.
  await until('the word', async () => (await ask(folder, '/health/ready')).status === 503);
  await untilAllCame();
  const stopped = beats();
  t.equal((await ask(folder, '/health/live')).status, 200, 'the daemon itself is well');
  const { text } = await ask(folder, '/health/ready');
  t.match(JSON.parse(text).checks, [
    { name: 'netlink', ok: true },
    { name: 'state', ok: true },
    { name: 'records', ok: true },
    {
      name: 'proxy',
      ok: false,
      text: `the process that holds published ports (${pid}) does not answer`,
    },
  ]);
  t.match(await ask(folder, '/metrics'), { status: 200, text: /^tsbridge_proxy_up 0$/m });
  const lost = () =>
    daemon.log.split('\n').find((line) => line.includes('the proxy process is lost'));
  await until('its replacement', lost);
  await until('a word with another process', () => beats() > stopped);
  const lostAt = Date.parse(JSON.parse(lost() ?? '').time);
  const [next] = allBeats().slice(stopped);
  t.ok(Number(next?.at) >= lostAt, 'silent while it hung');
  const events = (await ask(folder, '/v1/events?not=call')).text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const silences = events.filter(({ reason }) => reason === 'proxy-silent').map(({ kind }) => kind);
  // On a slow machine the new process may answer later than a check waits: then it counts as silent once more.
  t.match(silences.join(' '), /^degraded recovered( degraded recovered)*$/);
  t.match(
    events.filter(({ kind }) => kind === 'published'),
    [{ by: 'docker', count: 2 }],
  );
  t.match(
    events.filter(({ kind }) => kind === 'names'),
    [{ state: 'stale', text: /no such file/ }],
    'no engine is there',
  );

  rmSync(join(folder, 'state/daemon.lock'));
  t.match(JSON.parse((await ask(folder, '/health/ready')).text), {
    ok: false,
    checks: [{}, {}, { name: 'records', ok: false }, {}],
  });
});
