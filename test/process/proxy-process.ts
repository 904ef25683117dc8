/** The proxy process for real, for tests of what it does. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildId } from '../../src/build-id.js';
import { type EndpointId, parseEndpointId } from '../../src/core/names.js';
import type { Protocol } from '../../src/core/ports/port.js';
import type { Listener, Log } from '../../src/driver/host.js';
import { loadLibc } from '../../src/host/process/libc.js';
import { ProcessFiles } from '../../src/host/process/processes.js';
import type { WorkerSettings } from '../../src/proxy/process/worker.js';
import {
  ProxySupervisor,
  type SupervisorSettings,
} from '../../src/proxy/supervision/supervisor.js';
import { makeBinding } from '../golden/golden.js';

const main = fileURLToPath(new URL('proxy-main.ts', import.meta.url));
const network = readlinkSync('/proc/self/ns/net');
const ignore = () => undefined;
export const silent: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore };

const processes = new ProcessFiles(loadLibc(), silent);

export function ownerOf(seed: string): EndpointId {
  const id = parseEndpointId(createHash('sha256').update(seed).digest('hex'));
  if (id === undefined) throw new Error('no id');
  return id;
}

/** `127.0.0.1:8080`, `10.0.0.2:80` */
export function listener(
  host: string,
  container: string,
  protocol: Protocol = 'tcp',
  mode: Listener['mode'] = 'forward',
): Listener {
  return { binding: makeBinding(host, container, protocol), mode };
}

export class ProxyProcess {
  static readonly #disposed = new Set<ProxyProcess>();
  readonly folder = mkdtempSync(join(tmpdir(), 'tsbridge-proxy-'));
  readonly controlPath = join(this.folder, 'proxy.sock');
  readonly processes: ChildProcess[] = [];

  constructor(
    private readonly settings: WorkerSettings = {},
    /** A command that starts the one after it, e.g. with other limits. */
    private readonly wrapper: readonly string[] = [],
  ) {}

  readonly start = (controlPath: string) => {
    const node = [process.execPath, '--import=tsx', main, controlPath];
    // It outlives a daemon; the process of a test that was killed it should not.
    const mortal = ['setpriv', '--pdeathsig=KILL'];
    const settings = JSON.stringify(this.settings);
    const [file = '', ...args] = [...mortal, ...this.wrapper, ...node, settings];
    const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    this.processes.push(child);
    const ended = once(child, 'exit').then(([code]) => ({ description: `exit code ${code}` }));
    return { unref: () => child.unref(), kill: () => child.kill('SIGKILL'), ended };
  };

  supervise(log: Log = silent, other: Partial<SupervisorSettings> = {}): ProxySupervisor {
    return new ProxySupervisor({
      controlPath: this.controlPath,
      startProcess: this.start,
      processes,
      own: { build: this.settings.build ?? buildId, node: process.version, network },
      log,
      // A start compiles the sources first, which takes minutes on an emulated machine.
      startTimeoutMs: 600_000,
      ...other,
    });
  }

  get pid(): number {
    return this.processes.at(-1)?.pid ?? 0;
  }

  /** Of files, sockets and pipes. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** What each one is, and whether a program that the process becomes would not have it. */
  descriptorFlags(): { target: string; closeOnExec: boolean }[] {
    return readdirSync(`/proc/${this.pid}/fd`).map((fd) => {
      const info = readFileSync(`/proc/${this.pid}/fdinfo/${fd}`, 'utf8');
      const flags = Number.parseInt(/^flags:\s+(\d+)/m.exec(info)?.[1] ?? '', 8);
      const target = readlinkSync(`/proc/${this.pid}/fd/${fd}`);
      return { target, closeOnExec: (flags & 0o2000000) !== 0 };
    });
  }

  get residentBytes(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024;
  }

  dispose(): void {
    this.#end();
    // A supervisor that was about to start another process makes the folder anew.
    if (ProxyProcess.#disposed.size === 0) {
      process.once('exit', () => {
        for (const each of ProxyProcess.#disposed) each.#end();
      });
    }
    ProxyProcess.#disposed.add(this);
  }

  #end(): void {
    for (const child of this.processes) child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** One that nobody has on 127.0.0.1, neither for TCP nor for UDP. */
export async function freePort(): Promise<number> {
  for (;;) {
    const tcp = net.createServer().listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    const { port } = tcp.address() as net.AddressInfo;
    tcp.close();
    const udp = dgram.createSocket('udp4').bind(port);
    const free = await once(udp, 'listening').then(
      () => true,
      () => false,
    );
    udp.close();
    if (free) return port;
  }
}

/** Waits until it is so; whoever runs the tests limits the time. */
export async function eventually(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await sleep(20);
}

/** A TCP server on a free port of 127.0.0.1; `address` is `127.0.0.1:PORT`. */
export async function serve(
  onConnection: (socket: net.Socket) => void,
): Promise<{ address: string; close: () => void }> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', ignore);
    socket.on('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1', 4096);
  await once(server, 'listening');
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { address: `127.0.0.1:${(server.address() as net.AddressInfo).port}`, close };
}

/** Sends, ends its side, and answers with all that comes back. */
export async function ask(host: string, port: number, message: string | Buffer): Promise<string> {
  const socket = net.connect({ host, port, allowHalfOpen: true });
  socket.end(message);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

/** A server that answers with what it got, upper-cased, once the client has ended its side. */
export const serveEcho = () =>
  serve((socket) => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => {
      const all = Buffer.concat(chunks);
      const long = all.length > 1000;
      socket.end(long ? createHash('sha256').update(all).digest('hex') : `${all}`.toUpperCase());
    });
  });
