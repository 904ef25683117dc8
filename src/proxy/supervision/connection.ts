/**
 * The daemon's end of a connection to a proxy process: sends requests, reads answers, and notices a process
 * that does not answer.
 */
import net from 'node:net';
import { DriverError, messageOf } from '../../core/errors.js';
import { lineSplitter, type Reply, type Request } from '../control.js';

export type Unsent<T> = T extends unknown ? Omit<T, 'id'> : never;

/**
 * The connection ended before the answer came: the process may have carried out the request, or still do so.
 */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
  constructor(
    message: string,
    /** true: the process did not answer in time; false: the connection was closed. */
    readonly silent: boolean,
  ) {
    super(message);
  }
}

interface Call {
  done(reply: Reply): void;
  failed(error: Error): void;
}

/** A process is silent after so many of these without a byte from it. */
const ticks = 8;

export class ControlConnection {
  readonly #calls = new Map<number, Call>();
  #lastId = 0;
  #silence = 0;
  #ticker: NodeJS.Timeout | undefined;
  #lost: ConnectionLost | undefined;
  #onLost: ((error: ConnectionLost) => void) | undefined;

  constructor(
    private readonly socket: net.Socket,
    /** Longer than any request takes, since the process answers one request after the other. */
    private readonly silenceMs: number,
  ) {
    socket.setEncoding('utf8');
    socket.unref();
    const feed = lineSplitter((line) => {
      const reply = JSON.parse(line) as Reply;
      this.#calls.get(reply.id)?.done(reply);
    });
    socket.on('data', (chunk) => {
      this.#silence = 0;
      try {
        feed(String(chunk));
      } catch (error) {
        this.#end(new ConnectionLost(`an answer that is none: ${messageOf(error)}`, false));
      }
    });
    // What follows is `close`.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#end(new ConnectionLost('the process ended', false)));
  }

  /** @throws {ConnectionLost}, or what the process itself complains of */
  ask(request: Unsent<Request>): Promise<Reply> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise<Reply>((resolve, reject) => {
      const finish = (): void => {
        this.#calls.delete(id);
        if (this.#calls.size === 0) this.#stopTicker();
      };
      this.#calls.set(id, {
        failed(error) {
          finish();
          reject(error);
        },
        done(reply) {
          finish();
          if (reply.error === undefined) resolve(reply);
          else reject(new Error(reply.error));
        },
      });
      this.#ticker ??= setInterval(() => this.#tick(), this.silenceMs / ticks);
      this.socket.write(`${JSON.stringify({ id, ...request })}\n`);
    });
  }

  /** Tells `handler` when the process is gone or silent, at once if it is already. */
  whenLost(handler: (error: ConnectionLost) => void): void {
    this.#onLost = handler;
    if (this.#lost !== undefined) handler(this.#lost);
  }

  /** Closes the connection without telling the handlers of {@link whenLost}. */
  close(): void {
    this.#onLost = undefined;
    this.#lost ??= new ConnectionLost('the daemon closed the connection', false);
    this.#failAll(this.#lost);
    this.socket.destroy();
  }

  /** Counts ticks, not time: while the daemon itself was held up, no answer could be read. */
  #tick(): void {
    this.#silence += 1;
    if (this.#silence <= ticks) return;
    this.#end(new ConnectionLost(`no answer for ${this.silenceMs / 1_000} s`, true));
  }

  #end(error: ConnectionLost): void {
    if (this.#lost !== undefined) return;
    this.#lost = error;
    this.socket.destroy();
    this.#onLost?.(error);
    this.#failAll(error);
  }

  #failAll(error: Error): void {
    for (const { failed } of [...this.#calls.values()]) failed(error);
  }

  #stopTicker(): void {
    clearInterval(this.#ticker);
    this.#ticker = undefined;
    this.#silence = 0;
  }
}

/**
 * A connection to the process that listens on `path`; undefined if none does, which only these two
 * errors of the kernel prove.
 *
 * @throws every other error: EAGAIN (a process listens, and is too busy), EMFILE, EACCES, …
 */
export function dial(path: string): Promise<net.Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(path);
    socket.once('connect', () => {
      socket.removeAllListeners();
      // Until the caller listens: an error event without a listener would end the daemon. `close` follows it.
      socket.on('error', () => undefined);
      resolve(socket);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      socket.destroy();
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(undefined);
      else reject(error);
    });
  });
}

/** In the words of the error catalogue. */
export function unavailable(error: unknown): DriverError {
  if (error instanceof DriverError) return error;
  return new DriverError(
    'proxy-unavailable',
    `the proxy process that holds published ports: ${messageOf(error)}; see the log of tsbridge`,
    { cause: error },
  );
}
