/**
 * A netlink socket for requests: strictly first come, first served, one request in flight.
 *
 * It stands on the raw socket of the netlink package, under these rules (the package aborts the
 * whole process if they are broken, or answers wrongly):
 * - no multicast group is ever joined, and no more than one request is under way: a receive buffer
 *   that overruns ends the process with SIGABRT; two dumps at a time disturb each other;
 * - no listener throws: an exception in one ends the process, past every handler;
 * - replies are taken from the kernel only (port 0), matched by sequence number, and read up to the
 *   acknowledgement or the end of the dump, so that none is left for the next request;
 * - DUMP_INTR is looked at, and the dump repeated: what a concurrent change tore is not believed.
 */
import { getSystemErrorMap } from 'node:util';
import { RawNetlinkSocket } from 'netlink';
import {
  controlType,
  flag,
  formatRequest,
  frameErrno,
  type NetlinkFrame,
  type NetlinkRequest,
  parseFrames,
} from '../../codec/netlink-message.js';

/** NETLINK_ROUTE and NETLINK_NETFILTER. */
export const netlinkProtocol = { route: 0, netfilter: 12 } as const;

/** The kernel refused a request. */
export class NetlinkError extends Error {
  override readonly name = 'NetlinkError';
  constructor(
    /** `EEXIST`, `EPERM`, … */
    readonly code: string,
    message: string,
  ) {
    super(message);
  }

  static fromErrno(errno: number): NetlinkError {
    const [code, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error'];
    return new NetlinkError(code, `${text} (${code})`);
  }
}

export interface Reply {
  readonly type: number;
  readonly body: Buffer;
}

interface Pending {
  /** More than one: a transaction, whose last request with NLM_F_ACK is answered last. */
  readonly requests: readonly NetlinkRequest[];
  readonly timeoutMs: number;
  /** Told each message as it comes, in place of collecting them; must not throw. */
  readonly each?: ((reply: Reply) => void) | undefined;
  readonly resolve: (replies: Reply[]) => void;
  readonly reject: (error: Error) => void;
}

interface InFlight extends Pending {
  readonly first: number;
  /** Of the request whose answer is the last. */
  readonly sequence: number;
  readonly timer: NodeJS.Timeout;
  readonly replies: Reply[];
  torn: boolean;
  /** Of a transaction: why it fails. */
  errno: number;
}

const dumpAttempts = 5;
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
   * @throws {NetlinkError} with the kernel's reason, `ETIMEDOUT`, or `EINTR` for a dump that stayed
   * torn in five attempts
   */
  request(request: NetlinkRequest, timeoutMs = defaultTimeoutMs): Promise<Reply[]> {
    return untorn(() => this.#enqueue([request], timeoutMs));
  }

  /**
   * As {@link request}, for many messages: each is parsed when it comes, so that the event loop is
   * not held up by all of them at the end.
   *
   * @param parse must not throw; what it has no value for is left out
   */
  async dump<Item>(
    request: NetlinkRequest,
    parse: (type: number, body: Buffer) => Item | undefined,
  ): Promise<Item[]> {
    let items: Item[] = [];
    const each = ({ type, body }: Reply): void => {
      const item = parse(type, body);
      if (item !== undefined) items.push(item);
    };
    await untorn(() => {
      items = [];
      return this.#enqueue([request], defaultTimeoutMs, each);
    });
    return items;
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

  #enqueue(
    requests: readonly NetlinkRequest[],
    timeoutMs: number,
    each?: (reply: Reply) => void,
  ): Promise<Reply[]> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new NetlinkError('ECANCELED', 'netlink socket closed (ECANCELED)'));
        return;
      }
      this.#queue.push({ requests, timeoutMs, each, resolve, reject });
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
    this.#current = { ...pending, first, sequence, timer, replies: [], torn: false, errno: 0 };
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
    // Late replies to a request that timed out have its number, not this one's.
    if (current === undefined) return;
    if (frame.sequence < current.first || frame.sequence > current.sequence) return;
    if ((frame.flags & flag.dumpInterrupted) !== 0) current.torn = true;
    if (frame.type !== controlType.error && frame.type !== controlType.done) {
      const reply = { type: frame.type, body: frame.body };
      if (current.each === undefined) current.replies.push(reply);
      else current.each(reply);
      return;
    }
    current.errno ||= frameErrno(frame);
    // The frame of a transaction is answered only if it fails, and maybe nothing else then.
    const last = frame.sequence === current.sequence || frame.sequence === current.first;
    if (!last) return;
    if (current.errno !== 0) this.#fail(NetlinkError.fromErrno(current.errno));
    else if (current.torn) {
      this.#fail(new NetlinkError('EINTR', 'changed again and again while it was read (EINTR)'));
    } else this.#settle()?.resolve(current.replies);
  }

  #fail(error: Error): void {
    this.#settle()?.reject(error);
  }

  /** Ends the request in flight and starts the next one. */
  #settle(): InFlight | undefined {
    const current = this.#current;
    if (current === undefined) return undefined;
    clearTimeout(current.timer);
    this.#current = undefined;
    if (!this.#closed) this.#raw.unref();
    // After the caller of this one has gone on, which may ask for more.
    queueMicrotask(() => {
      if (this.#current === undefined) this.#sendNext();
    });
    return current;
  }
}

/** Again and again, as long as a change of others tears the answer. */
async function untorn<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask();
    } catch (error) {
      const torn = error instanceof NetlinkError && error.code === 'EINTR';
      if (!torn || attempt === dumpAttempts) throw error;
    }
  }
}
