/** The command's side of a lease: the daemon keeps the networks that were made under it while this connection is open. */
import { request } from 'node:http';
import { awaitedLater } from '../../background.js';
import type { NetworkModel, TestNetwork } from '../../operator/test-networks.js';
import { AdminError, adminSocketName, unreachable } from '../admin-client.js';

/** Milliseconds between two signs of life of the command; the daemon ends a lease without one for 60 s. */
const renewMs = 10_000;

export interface Asking {
  readonly runtimeDir: string;
  /** Milliseconds after which a daemon that does not answer is given up. */
  readonly timeoutMs: number;
  request<Answer>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Answer>;
}

export class LeaseHolder {
  #lost: string | undefined;
  readonly #timer: NodeJS.Timeout;

  private constructor(
    private readonly asking: Asking,
    readonly id: string,
    /** With what a network like the given one is asked for; undefined: none was given. */
    readonly model: NetworkModel | undefined,
    /** Rules of IPv6 are written. */
    readonly ipv6: boolean,
    private readonly hangUp: () => void,
  ) {
    this.#timer = setInterval(() => {
      const lost = (error: Error): void => this.lose(error.message);
      awaitedLater(this.#ask('POST', 'renew').then(undefined, lost));
    }, renewMs);
    this.#timer.unref();
  }

  /** @param like the id of a network @throws {AdminError} */
  static begin(asking: Asking, like: string | undefined): Promise<LeaseHolder> {
    const socketPath = `${asking.runtimeDir}/${adminSocketName}`;
    return new Promise((resolve, reject) => {
      const call = request({
        socketPath,
        method: 'POST',
        path: '/v1/leases',
        headers: { 'content-type': 'application/json' },
        timeout: asking.timeoutMs,
        agent: false,
      });
      const silent = `no answer within ${asking.timeoutMs / 1_000} s`;
      call.on('timeout', () => call.destroy(new Error(silent)));
      let holder: LeaseHolder | undefined;
      const began = (line: string): void => {
        const { lease, model, ipv6 } = JSON.parse(line) as Told;
        // From now on the daemon is silent here as long as it lives.
        call.setTimeout(0);
        holder = new LeaseHolder(asking, lease, model ?? undefined, ipv6, () => call.destroy());
        resolve(holder);
      };
      const fail = (error: Error): void => {
        reject(unreachable(socketPath, error));
        holder?.lose(error.message);
      };
      call.on('error', fail);
      call.on('response', (response) => {
        response.on('error', fail);
        response.on('close', () => holder?.lose('the daemon has ended the test, or itself'));
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          if (holder !== undefined) return;
          text += part;
          const end = text.indexOf('\n');
          if (end >= 0 && response.statusCode === 200) began(text.slice(0, end));
        });
        response.on('end', () =>
          reject(new AdminError(`the daemon answers: ${errorIn(text)}`, true)),
        );
      });
      call.end(JSON.stringify(like === undefined ? {} : { like }));
    });
  }

  /** A call of the engine's protocol. @throws {AdminError} also if the lease was lost */
  async call<Answer = object>(method: string, body: object): Promise<Answer> {
    return this.#ask<Answer>('POST', `call/NetworkDriver.${method}`, body);
  }

  network(id: string): Promise<TestNetwork> {
    return this.#ask('GET', `networks/${id}`);
  }

  /** Resolves when everything is gone. @throws {AdminError} if that is not known */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    try {
      await this.#ask('POST', 'end');
    } finally {
      this.hangUp();
    }
  }

  /** Called when the daemon holds the lease no more: later calls fail with `why`. */
  lose(why: string): void {
    this.#lost ??= why;
    clearInterval(this.#timer);
  }

  #ask<Answer>(method: 'GET' | 'POST', what: string, body?: unknown): Promise<Answer> {
    if (this.#lost !== undefined) {
      const text = `the test was given up: ${this.#lost}. The daemon removes its networks, at its next start at the latest`;
      return Promise.reject(new AdminError(text, true));
    }
    return this.asking.request<Answer>(method, `/v1/leases/${this.id}/${what}`, body);
  }
}

interface Told {
  readonly lease: string;
  readonly model: NetworkModel | null;
  readonly ipv6: boolean;
}

function errorIn(line: string): string {
  try {
    const { error } = JSON.parse(line) as { error?: { message?: unknown } };
    return String(error?.message ?? line);
  } catch {
    return line;
  }
}
