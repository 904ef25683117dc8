/** `tsbridge connectivity-test` on a real kernel: what it finds, what it says of faults, and that nothing of it stays. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ConnectionItem } from '../../src/cli/schemas/connectivity.js';
import { inFreshNamespace, ipJson, run } from '../process/netns.js';

inFreshNamespace();
// Every variable TSBRIDGE_… is a setting of the daemon and of commands, so that they would refuse this one.
delete process.env.TSBRIDGE_TEST_NAMESPACE;
const { default: t } = await import('tap');
const { Daemon, hostState } = await import('../process/daemon.js');
const { documentOf } = await import('../process/documents.js');

const program = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tsbridge-connectivity-'));
run('ip', ['link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'up1']);
run('ip', ['address', 'add', '192.0.2.1/24', 'dev', 'up0']);
for (const name of ['up0', 'up1']) run('ip', ['link', 'set', name, 'up']);
run('ip', ['route', 'add', 'default', 'via', '192.0.2.254']);

const daemonArgs = ['--firewall-generation', 'docker28'];
let daemon = await Daemon.start(folder, { args: daemonArgs });
t.teardown(async () => {
  await daemon.kill();
  for (const pid of daemon.proxyPids()) process.kill(pid);
  rmSync(folder, { recursive: true });
});

function begin(...words: string[]): { child: ChildProcess; ended: Promise<Result> } {
  const where = [`--runtime-dir=${join(folder, 'run')}`, `--state-dir=${join(folder, 'state')}`];
  const args = [program, 'connectivity-test', ...words, ...where];
  const env = { PATH: process.env.PATH ?? '', TSBRIDGE_DOCKER_SOCKET: 'none' };
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const told = { out: '', err: '' };
  child.stdout.on('data', (text) => {
    told.out += String(text);
  });
  child.stderr.on('data', (text) => {
    told.err += String(text);
  });
  const ended = new Promise<Result>((resolve) => {
    child.on('close', (code) => resolve({ code, ...told }));
  });
  return { child, ended };
}

interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const tested = async (...words: string[]) => {
  const { code, out, err } = await begin('--json', ...words).ended;
  if (out === '') throw new Error(err);
  const { items, ...document } = documentOf(out);
  const failed = (items as ConnectionItem[]).filter(({ result }) => result === 'failed');
  return { code, items: items as readonly ConnectionItem[], failed, document };
};
const shown = (items: readonly ConnectionItem[]) =>
  items.map(({ path, found, explanation }) => [path, found, explanation?.text.join('\n')]);

/** What a test may leave behind. The rules that all networks share come with the first one, and stay. */
const traces = () => {
  const { links, records } = hostState(folder);
  const save = `${run('iptables-save', [])}${run('ip6tables-save', [])}`;
  return {
    links: links.filter((line) => !/^(lo|up\d) /.test(line)),
    records,
    rules: save.split('\n').filter((line) => /7e57|198\.1[89]\.|fd7e:/.test(line)),
    namespaces: run('ip', ['netns', 'list']),
  };
};
const nothing = { links: [], records: [], rules: [], namespaces: '' };

/**
 * Waits, at most 30 s and the time that looking takes, until nothing is left: the daemon removes networks after the
 * command has ended.
 */
async function untilNothing(): Promise<ReturnType<typeof traces>> {
  for (let waited = 0; waited < 600; waited += 1) {
    const found = traces();
    if (JSON.stringify(found) === JSON.stringify(nothing)) return found;
    await sleep(50);
  }
  return traces();
}

t.test('a network with default options does all that it should', async (t) => {
  const report = join(folder, 'junit.xml');
  const { code, failed, items, document } = await tested('--junit', report);
  t.strictSame(shown(failed), []);
  t.equal(code, 0);
  t.equal(items.length, 40);
  t.match(document, { passed: 40, failed: 0, removed: true, network: { like: null } });
  const xml = readFileSync(report, 'utf8');
  t.match(xml, /<testsuites tests="40" failures="0" errors="0"/);
  t.equal(xml.match(/<testcase /g)?.length, 40);
  // The kernel deletes a bridge for some milliseconds longer.
  t.strictSame(await untilNothing(), nothing);
});

const label = (name: string) => `com.docker.network.bridge.${name}`;
const networks: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'icc off': { [label('enable_icc')]: 'false' },
  routed: { [label('gateway_mode_ipv4')]: 'routed', [label('gateway_mode_ipv6')]: 'routed' },
  'a small MTU, ports on one address': {
    'com.docker.network.driver.mtu': '1400',
    [label('host_binding_ipv4')]: '192.0.2.1',
  },
};
for (const [index, [title, options]] of Object.entries(networks).entries()) {
  t.test(`a network like one with other options: ${title}`, async (t) => {
    const id = `a${index}`.repeat(32);
    const pool = { Pool: `10.${index}.0.0/24`, Gateway: `10.${index}.0.1/24` };
    const six = { Pool: `fd00:${index}::/64`, Gateway: `fd00:${index}::1/64` };
    const answer = await daemon.call('CreateNetwork', {
      NetworkID: id,
      Options: {
        'com.docker.network.enable_ipv6': true,
        'com.docker.network.generic': options,
      },
      IPv4Data: [pool],
      IPv6Data: [six],
    });
    t.strictSame(answer, {});
    const before = traces().records;
    const { code, failed } = await tested('--like', id.slice(0, 12));
    t.strictSame(shown(failed), []);
    t.equal(code, 0);
    t.strictSame(traces().records, before, 'the network itself stays');
    await daemon.call('DeleteNetwork', { NetworkID: id });
    t.strictSame(await untilNothing(), nothing);
  });
}

t.test('a rule of the administrator is found, named, and left alone', async (t) => {
  const rule = ['DOCKER-USER', '-p', 'tcp', '--dport', '7357', '-j', 'DROP'];
  run('iptables', ['-I', ...rule]);
  t.teardown(() => run('iptables', ['-D', ...rule]));
  const { code, failed } = await tested('--only', 'outside-to-published-port');
  t.equal(code, 3);
  t.equal(failed.length, 1, 'by TCP and IPv4 alone');
  const [item] = failed;
  t.match(item, {
    path: 'outside → published port, tcp, IPv4',
    found: { answer: false, why: 'silent' },
    explanation: {
      verdict: 'dropped',
      command: /^tsbridge explain 198\.\S+%tsb-\S+ 198\.\S+:\d+$/,
    },
  });
  t.match(item?.explanation?.text.join('\n'), /DOCKER-USER 1: -p tcp -m tcp --dport 7357 -j DROP/);
  t.match(run('iptables-save', []), /-A DOCKER-USER .*7357 -j DROP/, 'the rule is still there');
});

t.test('forwarding that is off is found', async (t) => {
  await daemon.kill();
  daemon = await Daemon.start(folder, { args: [...daemonArgs, '--ip-forward=false'] });
  const before = readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8');
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '0');
  t.teardown(() => writeFileSync('/proc/sys/net/ipv4/ip_forward', before));
  const { code, failed } = await tested('--only', 'container-to-outside');
  t.equal(code, 3);
  t.strictSame(
    failed.map(({ path }) => path),
    ['container → outside, tcp, IPv4', 'container → outside, udp, IPv4'],
  );
  t.match(failed[0]?.explanation?.text.join('\n'), /ip_forward|forward/i);
  t.equal(failed[0]?.explanation?.verdict, 'lost');
});

t.test('whenever the command is killed, nothing stays', async (t) => {
  for (const afterMs of [0, 300, 600, 900, 1_300, 1_800, 2_500, 3_500]) {
    const { child, ended } = begin();
    await sleep(afterMs);
    child.kill('SIGKILL');
    await ended;
    t.strictSame(await untilNothing(), nothing, `after ${afterMs} ms`);
  }
});

/** Runs a test until its networks and containers are there, and stops it (SIGSTOP), so that it is not over before it was seen. */
async function whileFurnished() {
  const test = begin();
  const endpoints = join(folder, 'state', 'endpoints');
  // Not by `traces`, which starts so many programs that the test could come and go meanwhile.
  while (readdirSync(endpoints).length < 3 && test.child.exitCode === null) await sleep(5);
  test.child.kill('SIGSTOP');
  return test;
}

t.test('whenever the daemon is killed, its next start removes everything', async (t) => {
  for (const both of [false, true]) {
    const { child, ended } = await whileFurnished();
    t.not(traces().records.length, 0, 'it runs');
    await daemon.kill('SIGKILL');
    child.kill(both ? 'SIGKILL' : 'SIGCONT');
    const { code, out, err } = await ended;
    if (both) t.equal(code, null, 'it was killed');
    else t.equal(code, 1, 'the command ends by itself', { out, err });
    daemon = await Daemon.start(folder, { args: daemonArgs });
    t.strictSame(await untilNothing(), nothing, both ? 'both killed' : 'the daemon alone');
  }
});

t.test('while it runs it is shown as a test, and as nothing that was forgotten', async (t) => {
  // The test is stopped, and the lease of its networks lasts a minute.
  const { child, ended } = await whileFurnished();
  const ask = (...words: string[]) =>
    run(process.execPath, [
      program,
      ...words,
      `--runtime-dir=${join(folder, 'run')}`,
      '--no-names',
    ]);
  t.match(ask('ps'), /\(connectivity test\)/);
  const args = [program, 'status', '--json', `--runtime-dir=${join(folder, 'run')}`];
  const [status] = documentOf(run(process.execPath, args)).items as { testNetworks: number }[];
  t.match(status, { testNetworks: 2, forgotten: [] });
  const reconciled = JSON.parse(
    run(process.execPath, [program, 'reconcile', '--dry-run', '--json', ...args.slice(3)]),
  ) as { items: { forgotten?: unknown[] }[] };
  t.notMatch(JSON.stringify(reconciled), /7e57/);
  t.equal(ipJson('link').filter(({ ifname }) => /^br-7e57/.test(String(ifname))).length, 2);
  child.kill('SIGTERM');
  child.kill('SIGCONT');
  await ended;
  t.strictSame(await untilNothing(), nothing);
});

t.test('what cannot be is refused by words', async (t) => {
  t.match(await begin('--like', 'nowhere').ended, { code: 2, err: /names no network of tsbridge/ });
  t.match(await begin('--only', 'nothing-of-the-kind').ended, {
    code: 2,
    err: /leave no connection/,
  });
  t.strictSame(await untilNothing(), nothing);
  await daemon.kill();
  t.match(await begin().ended, { code: 1, err: /the daemon does not run/ });
  daemon = await Daemon.start(folder, { args: daemonArgs });
});
