/**
 * A netlink socket for requests: strictly first come, first served, one request in flight.
 *
 * The kernel carries a request out inside of the system call that sends it. For links it has one lock (rtnl), and the
 * call waits while another program has that: tens to hundreds of milliseconds where containers are deleted. So each
 * request is sent on one of libuv's threads, and the event loop goes on. When the call has returned, the answer can be
 * read without waiting. Dumps are not for this socket: see dump.ts.
 */
import {
  controlType,
  errnoOf,
  formatRequest,
  type NetlinkRequest,
  parseFrames,
} from '../../../codec/netlink/netlink-message.js';
import {
  closeNetlink,
  type NetlinkDescriptor,
  openNetlink,
  receiveNetlinkNow,
  sendNetlink,
} from './netlink-calls.js';
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

const defaultTimeoutMs = 10_000;
/** Room for one datagram of an answer. All sockets share it: it is filled and read in one turn, and messages are copied. */
const answer = Buffer.allocUnsafe(32 * 1024);

export class NetlinkSocket {
  readonly #fd: NetlinkDescriptor;
  readonly #queue: Pending[] = [];
  #working: Promise<void> | undefined;
  /** The request that is in the kernel. */
  #current: Pending | undefined;
  /** Whether the request in the kernel is past its time limit, and its caller has been told so. */
  #late = false;
  #sequence = 0;
  #closed = false;

  /**
   * Opens the socket in the namespace that the calling thread is in; it stays bound to that one.
   *
   * @throws {NetlinkError} e.g. `EPROTONOSUPPORT` if the kernel has no such protocol
   */
  constructor(protocol: number) {
    this.#fd = openNetlink(protocol);
  }

  /**
   * Answers with the kernel's messages; none for a request that is only acknowledged.
   *
   * @throws {NetlinkError} with the kernel's reason; `ETIMEDOUT` if the time is over, after which the kernel may still
   *   carry the request out; `EBUSY` if an earlier one hangs so, and `ECANCELED` if the socket is closed
   */
  request(request: NetlinkRequest, timeoutMs = defaultTimeoutMs): Promise<Reply[]> {
    if (this.#closed) return Promise.reject(closed());
    if (this.#late) return Promise.reject(new NetlinkError('EBUSY', hanging));
    return new Promise((resolve, reject) => {
      this.#queue.push({ request, timeoutMs, resolve, reject });
      this.#working ??= this.#workOff();
    });
  }

  /** Requests that wait are rejected, and so is the one in the kernel, which may still carry it out. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#current?.reject(closed());
    this.#rejectWaiting(closed());
    if (this.#working === undefined) closeNetlink(this.#fd);
  }

  /** Never rejects: a failure rejects its request's promise. */
  async #workOff(): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      await this.#serve(next);
    }
    this.#working = undefined;
    // The number of a descriptor that is closed may be another file's before the call on it has ended.
    if (this.#closed) closeNetlink(this.#fd);
  }

  async #serve(pending: Pending): Promise<void> {
    const { request, timeoutMs, resolve, reject } = pending;
    this.#current = pending;
    const timer = setTimeout(() => {
      this.#late = true;
      reject(new NetlinkError('ETIMEDOUT', `no answer after ${timeoutMs} ms (ETIMEDOUT)`));
      this.#rejectWaiting(new NetlinkError('EBUSY', hanging));
    }, timeoutMs);
    try {
      this.#sequence = (this.#sequence % 0xffffffff) + 1;
      await sendNetlink(this.#fd, formatRequest(request, this.#sequence));
      resolve(this.#replies());
    } catch (error) {
      reject(error instanceof Error ? error : new Error(String(error)));
    } finally {
      clearTimeout(timer);
      this.#current = undefined;
      this.#late = false;
    }
  }

  /** Reads up to the acknowledgement, so that nothing is left for the next request. */
  #replies(): Reply[] {
    const replies: Reply[] = [];
    for (;;) {
      const length = receiveNetlinkNow(this.#fd, answer);
      if (length === undefined)
        throw new NetlinkError('EPROTO', 'no answer of the kernel (EPROTO)');
      if (length > answer.length) {
        throw new NetlinkError('EMSGSIZE', `an answer of ${length} bytes is too long (EMSGSIZE)`);
      }
      for (const frame of parseFrames(answer.subarray(0, length))) {
        if (frame.sequence !== this.#sequence) continue;
        if (frame.type !== controlType.error && frame.type !== controlType.done) {
          replies.push({ type: frame.type, body: Buffer.from(frame.body) });
          continue;
        }
        const errno = errnoOf(frame.body);
        if (errno !== 0) throw NetlinkError.fromErrno(errno);
        return replies;
      }
    }
  }

  #rejectWaiting(error: Error): void {
    for (const { reject } of this.#queue.splice(0)) reject(error);
  }
}

const hanging = 'an earlier request hangs in the kernel (EBUSY)';

function closed(): NetlinkError {
  return new NetlinkError('ECANCELED', 'netlink socket closed (ECANCELED)');
}
