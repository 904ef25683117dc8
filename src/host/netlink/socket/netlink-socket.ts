/**
 * A netlink socket for requests: strictly first come, first served, one request in flight.
 *
 * It stands on the raw socket of the netlink package, under these rules (the package aborts the
 * whole process if they are broken, or answers wrongly):
 * - no multicast group is ever joined, and no more than one request is under way: a receive buffer
 *   that overruns ends the process with SIGABRT; two dumps at a time disturb each other;
 * - no listener throws: an exception in one ends the process, past every handler;
 * - replies are taken from the kernel only (port 0), matched by sequence number, and read up to the
 *   acknowledgement, so that none is left for the next request;
 * - no dump: see dump.ts.
 */
import { RawNetlinkSocket } from 'netlink/dist/raw.js';
import {
  controlType,
  errnoOf,
  formatRequest,
  type NetlinkFrame,
  type NetlinkRequest,
  parseFrames,
} from '../../../codec/netlink/netlink-message.js';
import { NetlinkError } from './netlink-error.js';

/** NETLINK_ROUTE, NETLINK_SOCK_DIAG and NETLINK_NETFILTER. */
export const netlinkProtocol = { route: 0, socketDiag: 4, netfilter: 12 } as const;

export interface Reply {
  readonly type: number;
  readonly body: Buffer;
}

interface Pending {
  readonly request: NetlinkRequest;
  readonly timeoutMs: number;
  readonly resolve: (replies: Reply[]) => void;
  readonly reject: (error: Error) => void;
}

interface InFlight extends Pending {
  readonly sequence: number;
  readonly timer: NodeJS.Timeout;
  readonly replies: Reply[];
}

const defaultTimeoutMs = 10_000;

export class NetlinkSocket {
  readonly #raw: RawNetlinkSocket;
  readonly #queue: Pending[] = [];
  #current: InFlight | undefined;
  #sequence = 0;
  #closed = false;

  /**
   * Opens the socket in the namespace that the calling thread is in; it stays bound to that one.
   * Throws `ErrnoException`, e.g. with `EPROTONOSUPPORT` if the kernel has no such protocol.
   */
  constructor(protocol: number) {
    this.#raw = new RawNetlinkSocket(protocol, { recvBufferSize: 0, sendBufferSize: 0 });
    this.#raw.unref();
    this.#raw.on('message', (datagram, sender) => {
      if (sender.port === 0) this.#receive(datagram);
    });
    this.#raw.on('error', (error) => this.#fail(error));
  }

  /**
   * Answers with the kernel's messages; none for a request that is only acknowledged.
   *
   * @throws {NetlinkError} with the kernel's reason, or `ETIMEDOUT`
   */
  request(request: NetlinkRequest, timeoutMs = defaultTimeoutMs): Promise<Reply[]> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new NetlinkError('ECANCELED', 'netlink socket closed (ECANCELED)'));
        return;
      }
      this.#queue.push({ request, timeoutMs, resolve, reject });
      if (this.#current === undefined) this.#sendNext();
    });
  }

  /** Requests that wait are rejected. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const error = new NetlinkError('ECANCELED', 'netlink socket closed (ECANCELED)');
    for (const pending of this.#queue.splice(0)) pending.reject(error);
    this.#fail(error);
    this.#raw.close();
  }

  #sendNext(): void {
    const pending = this.#queue.shift();
    if (pending === undefined || this.#closed) return;
    const { request, timeoutMs } = pending;
    if (this.#sequence === 0xffffffff) this.#sequence = 0;
    this.#sequence += 1;
    const sequence = this.#sequence;
    const timer = setTimeout(() => {
      this.#fail(new NetlinkError('ETIMEDOUT', `no answer after ${timeoutMs} ms (ETIMEDOUT)`));
    }, timeoutMs);
    this.#current = { ...pending, sequence, timer, replies: [] };
    this.#raw.ref();
    this.#raw.send(formatRequest(request, sequence), undefined, (error) => {
      if (error !== undefined && this.#current?.sequence === sequence) this.#fail(error);
    });
  }

  #receive(datagram: Buffer): void {
    for (const frame of parseFrames(datagram)) this.#take(frame);
  }

  #take(frame: NetlinkFrame): void {
    const current = this.#current;
    // A late reply to a request that timed out has that one's sequence number.
    if (current === undefined || frame.sequence !== current.sequence) return;
    if (frame.type !== controlType.error && frame.type !== controlType.done) {
      current.replies.push({ type: frame.type, body: frame.body });
      return;
    }
    const errno = errnoOf(frame.body);
    if (errno !== 0) this.#fail(NetlinkError.fromErrno(errno));
    else this.#finish()?.resolve(current.replies);
  }

  #fail(error: Error): void {
    this.#finish()?.reject(error);
  }

  /** Ends the request in flight and starts the next one. */
  #finish(): InFlight | undefined {
    const current = this.#current;
    if (current === undefined) return undefined;
    clearTimeout(current.timer);
    this.#current = undefined;
    if (!this.#closed) this.#raw.unref();
    // In a microtask: the caller of this request runs first, and its next request is then queued already.
    queueMicrotask(() => {
      if (this.#current === undefined) this.#sendNext();
    });
    return current;
  }
}
