/** The daemon's side of the proxy process: starts it, finds it again, and replaces it if it dies. */
import { mkdirSync, unlinkSync } from 'node:fs';
import net from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError, messageOf } from '../core/errors.js';
import type { EndpointId } from '../core/names.js';
import { bindingKey } from '../core/ports/port.js';
import type { HostPorts, Listener, ListenFailure, Log } from '../driver/host.js';
import { controlVersion, lineSplitter, type Reply, type Request, toWire } from './control.js';

/** Starts the process detached, so that it outlives the daemon. */
export type StartProcess = () => {
  unref(): void;
  kill(signal: 'SIGKILL'): void;
  readonly ended: Promise<{ description: string }>;
};

export interface SupervisorSettings {
  /** Unix socket on which the process listens. */
  readonly controlPath: string;
  readonly startProcess: StartProcess;
  /** In place of 25 s; for tests. */
  readonly startTimeoutMs?: number;
  readonly log: Log;
}

type Unsent<T> = T extends unknown ? Omit<T, 'id'> : never;

/** Less than a call's deadline, and long: an engine does not try again what failed at boot. */
const defaultStartTimeoutMs = 25_000;
const callTimeoutMs = 20_000;
const pollMs = 15;
/** Between attempts to bring a dead process back. */
const retryMs = 250;

export class ProxySupervisor implements HostPorts {
  readonly #wanted = new Map<EndpointId, Map<string, Listener>>();
  readonly #calls = new Map<number, { done: (reply: Reply) => void; failed: (e: Error) => void }>();
  #connection: Promise<net.Socket> | undefined;
  /** The socket of the last connection that was made. */
  #current: net.Socket | undefined;
  #reviving = false;
  #lastId = 0;
  #detached = false;

  constructor(private readonly settings: SupervisorSettings) {}

  prepare(): void {
    this.#connect().catch((error) => {
      this.settings.log.warn({ error: messageOf(error) }, 'proxy process could not be started');
    });
  }

  async open(owner: EndpointId, listeners: readonly Listener[]): Promise<ListenFailure[]> {
    if (listeners.length === 0) return [];
    const wire = listeners.map(toWire);
    const { failures = [] } = await this.#call({ op: 'open', owner, listeners: wire });
    const failed = new Set(failures.map(([index]) => index));
    const held = this.#wanted.get(owner) ?? new Map<string, Listener>();
    this.#wanted.set(owner, held);
    listeners.forEach((listener, index) => {
      if (!failed.has(index)) held.set(bindingKey(listener.binding), listener);
    });
    return failures.flatMap(([index, code, syscall]) => {
      const listener = listeners[index];
      return listener === undefined ? [] : [{ listener, code, syscall }];
    });
  }

  async close(owner: EndpointId, listeners?: readonly Listener[]): Promise<void> {
    const held = this.#wanted.get(owner);
    if (held === undefined) return;
    for (const { binding } of listeners ?? []) held.delete(bindingKey(binding));
    if (listeners === undefined || held.size === 0) this.#wanted.delete(owner);
    const some = listeners === undefined ? {} : { listeners: listeners.map(toWire) };
    await this.#call({ op: 'close', owner, ...some });
  }

  async sync(wanted: ReadonlyMap<EndpointId, readonly Listener[]>): Promise<ListenFailure[]> {
    this.#wanted.clear();
    for (const [owner, listeners] of wanted) {
      const byKey = listeners.map((one) => [bindingKey(one.binding), one] as const);
      this.#wanted.set(owner, new Map(byKey));
    }
    if (wanted.size === 0 && !(await this.#isRunning())) return [];
    return this.#syncWanted();
  }

  /** Listeners and connections of the process; undefined if it is not running. */
  async stats(): Promise<{ listeners: number; connections: number } | undefined> {
    if (this.#connection === undefined) return undefined;
    const { listeners = 0, connections = 0 } = await this.#call({ op: 'stats' });
    return { listeners, connections };
  }

  /** Leaves the process to itself: the daemon stops, the ports stay. */
  detach(): void {
    this.#detached = true;
    void this.#connection?.then((socket) => socket.destroy()).catch(() => undefined);
  }

  async #syncWanted(): Promise<ListenFailure[]> {
    const all = [...this.#wanted].flatMap(([, held]) => [...held.values()]);
    const owners = Object.fromEntries(
      [...this.#wanted].map(([owner, held]) => [owner, [...held.values()].map(toWire)]),
    );
    const { failures = [] } = await this.#call({ op: 'sync', owners });
    return failures.flatMap(([index, code, syscall]) => {
      const listener = all[index];
      return listener === undefined ? [] : [{ listener, code, syscall }];
    });
  }

  async #call(request: Unsent<Request>): Promise<Reply> {
    const socket = await this.#connect();
    return this.#send(socket, request);
  }

  #send(socket: net.Socket, request: Unsent<Request>): Promise<Reply> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise<Reply>((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#calls.delete(id);
      };
      const failed = (error: Error): void => {
        finish();
        reject(unavailable(error));
      };
      const timer = setTimeout(() => failed(new Error('no answer')), callTimeoutMs);
      const done = (reply: Reply): void => {
        finish();
        if (reply.error === undefined) resolve(reply);
        else reject(unavailable(new Error(reply.error)));
      };
      this.#calls.set(id, { done, failed });
      socket.write(`${JSON.stringify({ id, ...request })}\n`);
    });
  }

  #connect(): Promise<net.Socket> {
    this.#connection ??= this.#establish().catch((error) => {
      this.#connection = undefined;
      throw unavailable(error);
    });
    return this.#connection;
  }

  async #isRunning(): Promise<boolean> {
    if (this.#connection !== undefined) return true;
    const socket = await dial(this.settings.controlPath);
    socket?.destroy();
    return socket !== undefined;
  }

  /** To the process that is there, else to a new one. */
  async #establish(): Promise<net.Socket> {
    const { controlPath, log } = this.settings;
    const found = await dial(controlPath);
    if (found !== undefined) {
      this.#attach(found);
      const { version } = await this.#send(found, { op: 'hello' });
      if (version === controlVersion) return found;
      log.info(
        { version, controlVersion },
        'the proxy process is of another version: replacing it',
      );
      await this.#send(found, { op: 'retire' });
      found.removeAllListeners('close');
      found.destroy();
    }
    return this.#start();
  }

  async #start(): Promise<net.Socket> {
    const { controlPath, startProcess, startTimeoutMs = defaultStartTimeoutMs } = this.settings;
    mkdirSync(dirname(controlPath), { recursive: true, mode: 0o700 });
    removeStale(controlPath);
    const child = startProcess();
    child.unref();
    let ended: string | undefined;
    void child.ended.then(({ description }) => {
      ended = description;
    });
    const deadline = performance.now() + startTimeoutMs;
    for (;;) {
      const socket = await dial(controlPath);
      if (socket !== undefined) {
        this.#attach(socket);
        return socket;
      }
      if (ended !== undefined) throw new Error(`it ended at once: ${ended}`);
      if (performance.now() > deadline) {
        // Or it would take the ports, and the path, when the next one has them.
        child.kill('SIGKILL');
        throw new Error(`no answer on ${controlPath}`);
      }
      await sleep(pollMs);
    }
  }

  #attach(socket: net.Socket): void {
    this.#current = socket;
    socket.setEncoding('utf8');
    socket.unref();
    const feed = lineSplitter((line) => {
      const reply = JSON.parse(line) as Reply;
      this.#calls.get(reply.id)?.done(reply);
    });
    socket.on('data', (chunk) => feed(String(chunk)));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      // A dying process can still take a connection; the end of that one says nothing of the next.
      if (this.#current === socket) this.#lost();
    });
  }

  #lost(): void {
    this.#connection = undefined;
    for (const { failed } of [...this.#calls.values()]) failed(new Error('the process ended'));
    if (this.#detached || this.#reviving || this.#wanted.size === 0) return;
    this.settings.log.error({}, 'the proxy process ended; starting another with its ports');
    void this.#revive();
  }

  async #revive(): Promise<void> {
    this.#reviving = true;
    while (!this.#detached && this.#wanted.size > 0) {
      try {
        const failures = await this.#syncWanted();
        const ports = failures.map(({ listener }) => bindingKey(listener.binding));
        if (ports.length === 0) this.settings.log.info({}, 'every published port is held again');
        else this.settings.log.error({ ports }, 'published ports were taken meanwhile');
        break;
      } catch (error) {
        this.settings.log.error({ error: messageOf(error) }, 'the proxy process did not come back');
        await sleep(retryMs);
      }
    }
    this.#reviving = false;
  }
}

/** undefined if nobody listens. */
function dial(path: string): Promise<net.Socket | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    socket.once('connect', () => {
      socket.removeAllListeners();
      resolve(socket);
    });
    socket.once('error', () => resolve(undefined));
  });
}

function removeStale(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // There was none.
  }
}

function unavailable(error: unknown): DriverError {
  if (error instanceof DriverError) return error;
  return new DriverError(
    'proxy-unavailable',
    `the proxy process that holds published ports: ${messageOf(error)}; see the log of tsbridge`,
    { cause: error },
  );
}
