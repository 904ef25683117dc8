/** Runs `tsbridge trace` as a process, and makes a small router for it in the network namespace of the test. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { run } from './netns.js';
import { slowness } from './slowness.js';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tsbridge-trace-'));
const children: ChildProcess[] = [];
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

export interface Running {
  readonly child: ChildProcess;
  end(): Promise<{ code: number | null; out: string; err: string }>;
}

function argumentsOf(words: readonly string[]): string[] {
  const where = [`--runtime-dir=${folder}`, `--state-dir=${folder}`];
  return ['--import=tsx', main, 'trace', ...words, ...where];
}

export function start(words: readonly string[], before: readonly string[] = []): Running {
  const [file = '', ...args] = [...before, process.execPath, ...argumentsOf(words)];
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Without the variable TSBRIDGE_… that marks the namespace: the program would take it for a setting of the daemon.
    env: { PATH: process.env.PATH },
  });
  children.push(child);
  const said = { out: '', err: '' };
  child.stdout?.on('data', (bytes) => {
    said.out += bytes;
  });
  child.stderr?.on('data', (bytes) => {
    said.err += bytes;
  });
  // 'exit' may come before the last output, 'close' comes after it.
  const closed = once(child, 'close');
  return {
    child,
    end: async () => {
      const [code] = (await closed) as [number | null];
      return { code, ...said };
    },
  };
}

/** Starts `timed-trace.ts`. */
export function startTimed(): { said(): string; kill(): void } {
  const program = fileURLToPath(new URL('timed-trace.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import=tsx', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, TEST_SLOWNESS: String(slowness) },
  });
  children.push(child);
  let said = '';
  child.stdout.on('data', (bytes) => {
    said += bytes;
  });
  return { said: () => said, kill: () => void child.kill('SIGKILL') };
}

/** Starts a trace; resolves when the kernel traces packets. */
export async function begin(...words: string[]): Promise<Running> {
  const before = new Set(tables());
  const trace = start(words);
  for (let tries = 0; tries < 600; tries += 1) {
    if (tables().some((name) => !before.has(name))) break;
    if (trace.child.exitCode !== null) throw new Error((await trace.end()).err);
    // Meanwhile the command asks this process for names; it can answer only while this function sleeps.
    await sleep(50 * slowness);
  }
  // The command also has to read the rules before packets come.
  await sleep(500 * slowness);
  return trace;
}

export function tables(): string[] {
  return [...run('nft', ['list', 'tables']).matchAll(/inet (tsbridge-trace-\d+)/g)].flatMap(
    ([, name]) => name ?? [],
  );
}

export function node(where: ChildProcess, script: string): void {
  const args = ['-t', String(where.pid), '-n', process.execPath, '-e', script];
  spawnSync('nsenter', args, { stdio: 'ignore', env: { PATH: process.env.PATH } });
}

/** Tries to connect by TCP for 0.3 s; whether that succeeds does not matter, only that packets are sent. */
export function connect(
  where: ChildProcess,
  host: string,
  port: number,
  localAddress?: string,
): void {
  const options = JSON.stringify({ host, port, localAddress });
  node(
    where,
    `
    require('node:net').connect(${options}).on('error', () => process.exit());
    setTimeout(() => process.exit(), 300);`,
  );
}

function namespace(): ChildProcess {
  const child = spawn('unshare', ['--net', 'sleep', '600'], { stdio: 'ignore' });
  children.push(child);
  // The test does not wait for this child, which is ended with it.
  child.unref();
  return child;
}

/**
 * eth0 leads to the outside, br-1 to container web, whose port 80 is published as 8080 by Docker's rules.
 *
 * @returns processes in the namespaces of the outside and of web
 */
export async function makeRouter(): Promise<readonly [ChildProcess, ChildProcess]> {
  const [out, web] = [namespace(), namespace()];
  await sleep(500);
  const here = (text: string) => {
    const [file = '', ...args] = text.split(' ');
    run(file, args);
  };
  const at = (child: ChildProcess, text: string) => here(`nsenter -t ${child.pid} -n ${text}`);
  for (const text of [
    'ip link add eth0 type veth peer name out0',
    'ip link add br-1 type bridge',
    'ip link add v1 type veth peer name v2',
    'ip link set v1 master br-1',
    `ip link set v2 netns ${web.pid}`,
    `ip link set out0 netns ${out.pid}`,
    ...['eth0', 'br-1', 'v1'].map((name) => `ip link set ${name} up`),
    'ip address add 192.0.2.1/24 dev eth0',
    'ip address add 172.20.0.1/16 dev br-1',
    'ip route add default via 192.0.2.254',
    'sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.eth0.rp_filter=1',
    'sysctl -qw net.ipv4.conf.br-1.rp_filter=1',
    // The outside sends from 10.9.9.9: by this route the reverse path filter refuses that.
    'ip route add 10.9.9.0/24 dev br-1',
  ]) {
    here(text);
  }
  for (const text of [
    'ip link set lo up',
    'ip address add 172.20.0.2/16 dev v2',
    'ip link set v2 up',
    'ip route add default via 172.20.0.1',
  ]) {
    at(web, text);
  }
  for (const text of [
    'ip link set lo up',
    'ip address add 192.0.2.9/24 dev out0',
    'ip address add 192.0.2.254/24 dev out0',
    'ip address add 10.9.9.9/32 dev lo',
    'ip link set out0 up',
    'ip route add 172.20.0.0/16 via 192.0.2.1 src 192.0.2.9',
    'ip route add 172.20.0.3/32 via 192.0.2.1 src 10.9.9.9',
  ]) {
    at(out, text);
  }
  for (const text of [
    '-N DOCKER',
    '-N DOCKER-USER',
    '-P FORWARD DROP',
    '-A FORWARD -j DOCKER-USER',
    '-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-A FORWARD -o br-1 -j DOCKER',
    '-A FORWARD -i br-1 ! -o br-1 -j ACCEPT',
    '-A DOCKER -d 172.20.0.2/32 ! -i br-1 -o br-1 -p tcp --dport 80 -j ACCEPT',
    '-A INPUT -p tcp --dport 8083 -j REJECT',
    '-t nat -N DOCKER',
    '-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER',
    '-t nat -A DOCKER ! -i br-1 -p tcp --dport 8080 -j DNAT --to-destination 172.20.0.2:80',
    '-t nat -A POSTROUTING -s 172.20.0.0/16 ! -o br-1 -j MASQUERADE',
  ]) {
    here(`iptables ${text}`);
  }
  return [out, web];
}

/** A server in the place of the daemon. It answers with container web, whose port 80 is published. */
export async function playDaemon(): Promise<void> {
  const [network, endpoint, container] = ['51e0', 'c0ff', '9f3c'].map((id) => id.padEnd(64, '0'));
  const ready = { phase: 'ready', sandbox: null };
  const answers: Readonly<Record<string, unknown>> = {
    '/v1/inventory': {
      networks: [
        {
          id: network,
          bridge: 'br-1',
          subnets: ['172.20.0.0/16'],
          mtu: 1500,
          internal: false,
          ...ready,
        },
      ],
      endpoints: [
        {
          ...{
            id: endpoint,
            network,
            ipv4: '172.20.0.2/16',
            ipv6: null,
            mac: '',
            veth: 'v1',
            ...ready,
          },
          ports: [
            {
              ...{ protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080, path: 'dnat', by: 'docker' },
              ...{ containerIp: '172.20.0.2', containerPort: 80 },
            },
          ],
        },
      ],
      unreadable: [],
    },
    '/v1/names': {
      ...{ from: 'docker', asOf: '2026-11-27T00:00:00Z', stale: false },
      containers: [{ id: container, name: 'web', running: true, endpoints: [endpoint] }],
      networks: [{ id: network, name: 'shop' }],
    },
  };
  const server = createServer((request, response) => {
    response.end(JSON.stringify(answers[request.url ?? ''] ?? {}));
  });
  server.listen(join(folder, 'admin.sock'));
  await once(server, 'listening');
  server.unref();
}
