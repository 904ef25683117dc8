/** A real daemon in the namespace of the test, and what is on the host because of it. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import events from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { RawClient } from '../fuzz/client.js';
import { ipJson, run } from './netns.js';
import { nodeFlags } from './node-flags.js';
import { slowness } from './slowness.js';

const built = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const crashing = fileURLToPath(new URL('./crash-daemon.mjs', import.meta.url));

export interface DaemonOptions {
  /** Dies at this effect; see crash-daemon.mjs. */
  readonly crashAt?: number;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** In place of `dist/main.js`. */
  readonly program?: string;
  /** The Node.js program that runs the daemon and the process that holds ports; by default the one that runs this test. */
  readonly node?: string;
}

export class Daemon {
  readonly socket: string;
  #stderr = '';
  readonly ended: Promise<unknown>;

  private constructor(
    readonly folder: string,
    readonly process: ChildProcess,
  ) {
    this.socket = join(folder, 'plugin.sock');
    for (const stream of [process.stdout, process.stderr]) {
      stream?.on('data', (text) => {
        this.#stderr += String(text);
      });
    }
    this.ended = events.once(process, 'exit').then(() => this.#readToTheEnd());
  }

  /** Its last words; but the proxy process that it has started may keep its output open for long. */
  async #readToTheEnd(): Promise<void> {
    const closed = events.once(this.process, 'close');
    await Promise.race([closed, sleep(100)]);
  }

  get pid(): number {
    const { pid } = this.process;
    // Not 0: a signal to that goes to the process group of the test.
    if (pid === undefined) throw new Error('the daemon was not started');
    return pid;
  }

  /** What it has logged. */
  get log(): string {
    return this.#stderr;
  }

  get alive(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** In `folder`, without waiting for anything. */
  static spawn(
    folder: string,
    {
      crashAt,
      env = {},
      args = [],
      program: other = built,
      node = process.execPath,
    }: DaemonOptions = {},
  ): Daemon {
    const program = crashAt === undefined ? [other] : [crashing];
    const socket = join(folder, 'plugin.sock');
    const folders = ['--state-dir', join(folder, 'state'), '--runtime-dir', join(folder, 'run')];
    const limit = slowness === 1 ? [] : ['--call-timeout', String(30 * slowness)];
    const all = [...program, 'daemon', '--socket', socket, ...folders, ...args, ...limit];
    // TSBRIDGE_… of the test's own would be taken for settings.
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('TSBRIDGE_'));
    // tap puts its loaders into NODE_OPTIONS of whatever is spawned: 45 MB of a process in which there
    // is nothing to load or cover. env(1) becomes the daemon, so that the pid is its own.
    const child = spawn('env', ['-u', 'NODE_OPTIONS', node, ...nodeFlags, ...all], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...Object.fromEntries(inherited), ...env, CRASH_AT: String(crashAt ?? 0) },
    });
    return new Daemon(folder, child);
  }

  /** And recovered. */
  static async start(folder: string, options: DaemonOptions = {}): Promise<Daemon> {
    const daemon = Daemon.spawn(folder, options);
    while (!daemon.log.includes('"recovered"')) {
      if (!daemon.alive) throw new Error(`the daemon ended: ${daemon.log}`);
      if (daemon.log.includes('recovery failed')) {
        await daemon.kill('SIGKILL');
        throw new Error(`the daemon did not recover: ${daemon.log}`);
      }
      await sleep(20);
    }
    return daemon;
  }

  /** The answer's JSON; rejects if the daemon dies before. */
  call(method: string, body: unknown): Promise<Record<string, unknown>> {
    return this.raw(method, JSON.stringify(body));
  }

  /** As {@link call}, with any text for a body. */
  async raw(method: string, body: string | undefined): Promise<Record<string, unknown>> {
    const client = new RawClient(this.socket);
    try {
      const { body: text } = await client.post(`NetworkDriver.${method}`, body);
      return JSON.parse(text) as Record<string, unknown>;
    } finally {
      client.close();
    }
  }

  async kill(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.alive) this.process.kill(signal);
    await this.ended;
  }

  /** KiB that the process has in memory, and had at most. */
  memory(): { now: number; peak: number } {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    const value = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]);
    return { now: value('VmRSS'), peak: value('VmHWM') };
  }

  /** The proxy process in this network namespace, which outlives the daemon. */
  proxyPids(): number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => {
        try {
          const own = readlinkSync(`/proc/${pid}/ns/net`) === readlinkSync('/proc/self/ns/net');
          return own && readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('tsbridge-proxy');
        } catch {
          return false;
        }
      })
      .map(Number)
      .filter((pid) => pid !== this.pid);
  }
}

/** Links and their limits, routes and neighbours of ours, rules, the map of ports, listening sockets and records. */
export function hostState(folder: string, variant: 'nft' | 'legacy' = 'nft') {
  const records = ['networks', 'endpoints'].flatMap((kind) => {
    const path = join(folder, 'state', kind);
    return existsSync(path) ? readdirSync(path).map((name) => `${kind}/${name}`) : [];
  });
  const saves = ['iptables', 'ip6tables'].map((family) => run(`${family}-${variant}-save`, []));
  const lines = (text: string) =>
    text
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean)
      .sort();
  return {
    links: ipJson('addr').map(({ ifname, flags, master = '-', addr_info }) => {
      const up = (flags as string[]).includes('UP') ? 'up' : 'down';
      const ipv4 = (addr_info as { local: string }[])
        .map(({ local }) => local)
        .filter((address) => !address.includes(':'));
      return `${ifname} ${up} ${master} ${ipv4}`;
    }),
    forwarding: readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim(),
    flows: run('conntrack', ['-L'])
      .split('\n')
      .filter((line) => /^(tcp|udp) .*\b10\.\d+\.0\./.test(line)),
    rules: saves
      .join('')
      .split('\n')
      .filter((line) => /^-A .*(?:br-|veth|10\.\d+\.0|fd00:|TSBRIDGE-)/.test(line)),
    limits: lines(run('tc', ['qdisc', 'show'])).filter((line) => /dev (veth|tsi)/.test(line)),
    routes: ['-4', '-6'].flatMap((family) =>
      lines(run('ip', [family, 'route', 'show', 'proto', '201'])).map((line) =>
        line.replace(/ (linkdown|dead)\b/g, ''),
      ),
    ),
    proxies: lines(run('ip', ['-6', 'neigh', 'show', 'proxy'])),
    // The kernel lists elements in any order.
    map: (spawnSync('nft', ['list', 'table', 'ip', 'tsbridge']).stdout ?? '')
      .toString()
      .split(/[\n,{}]\s*/)
      .sort(),
    sockets: run('ss', ['-Hlntu'])
      .split('\n')
      .map((line) => line.split(/\s+/).slice(0, 5).join(' '))
      .map((line) => line.replace(/ \d+ \d+ /, ' '))
      .sort(),
    records: records.sort(),
  };
}

/** As many open connections that say nothing. */
export async function openConnections(path: string, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const socket = connect(path);
    const connected = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true));
      // As many wait already as may wait for a listener that is busy.
      socket.on('error', () => resolve(false));
    });
    if (connected) sockets.push(socket);
    else await sleep(20);
  }
  return sockets;
}
