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
import { RawNetlinkSocket } from 'netlink';
import {
  controlType,
  errnoOf,
  flag,
  formatRequest,
  type NetlinkFrame,
  type NetlinkRequest,
  parseFrames,
} from '../../../codec/netlink/netlink-message.js';
import { NetlinkError } from './netlink-error.js';

/** NETLINK_ROUTE and NETLINK_NETFILTER. */
export const netlinkProtocol = { route: 0, netfilter: 12 } as const;

export interface Reply {
  readonly type: number;
  readonly body: Buffer;
}

interface Pending {
  /** The requests; more than one are a transaction, whose last request with NLM_F_ACK is answered last. */
  readonly requests: readonly NetlinkRequest[];
  readonly timeoutMs: number;
  readonly resolve: (replies: Reply[]) => void;
  readonly reject: (error: Error) => void;
}

interface InFlight extends Pending {
  readonly first: number;
  /** Sequence number of the request whose answer is the last. */
  readonly sequence: number;
  readonly timer: NodeJS.Timeout;
  readonly replies: Reply[];
  /** Why a transaction fails, as an errno; 0 if it does not. */
  errno: number;
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
    return this.#enqueue([request], timeoutMs);
  }

  /**
   * Requests that the kernel takes together, or none of them (nfnetlink batches). The last but the
   * frame's end asks for an acknowledgement.
   *
   * @throws {NetlinkError} with the first reason
   */
  async transaction(requests: readonly NetlinkRequest[]): Promise<void> {
    await this.#enqueue(requests, defaultTimeoutMs);
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

  #enqueue(requests: readonly NetlinkRequest[], timeoutMs: number): Promise<Reply[]> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new NetlinkError('ECANCELED', 'netlink socket closed (ECANCELED)'));
        return;
      }
      this.#queue.push({ requests, timeoutMs, resolve, reject });
      if (this.#current === undefined) this.#sendNext();
    });
  }

  #sendNext(): void {
    const pending = this.#queue.shift();
    if (pending === undefined || this.#closed) return;
    const { requests, timeoutMs } = pending;
    if (this.#sequence + requests.length > 0xffffffff) this.#sequence = 0;
    const first = this.#sequence + 1;
    this.#sequence += requests.length;
    const timer = setTimeout(() => {
      this.#fail(new NetlinkError('ETIMEDOUT', `no answer after ${timeoutMs} ms (ETIMEDOUT)`));
    }, timeoutMs);
    const acknowledged = requests.findLastIndex(({ flags }) => (flags & flag.ack) !== 0);
    const sequence = first + Math.max(0, acknowledged);
    this.#current = { ...pending, first, sequence, timer, replies: [], errno: 0 };
    this.#raw.ref();
    const bytes = requests.map((request, index) => formatRequest(request, first + index));
    this.#raw.send(Buffer.concat(bytes), undefined, (error) => {
      if (error !== undefined && this.#current?.sequence === sequence) this.#fail(error);
    });
  }

  #receive(datagram: Buffer): void {
    for (const frame of parseFrames(datagram)) this.#take(frame);
  }

  #take(frame: NetlinkFrame): void {
    const current = this.#current;
    // A late reply to a request that timed out has that one's sequence number.
    if (current === undefined) return;
    if (frame.sequence < current.first || frame.sequence > current.sequence) return;
    if (frame.type !== controlType.error && frame.type !== controlType.done) {
      current.replies.push({ type: frame.type, body: frame.body });
      return;
    }
    current.errno ||= errnoOf(frame.body);
    // The frame of a transaction is answered only if it fails, and maybe nothing else then.
    const last = frame.sequence === current.sequence || frame.sequence === current.first;
    if (!last) return;
    if (current.errno !== 0) this.#fail(NetlinkError.fromErrno(current.errno));
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
