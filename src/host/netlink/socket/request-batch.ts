/** Many requests in one system call, on libuv's threads: the kernel works on them inside of it. */
import {
  controlType,
  errnoOf,
  flag,
  formatRequest,
  messagesIn,
  type NetlinkRequest,
} from '../../../codec/netlink/netlink-message.js';
import { closeNetlink, openNetlink, receiveNetlink, sendNetlink } from './netlink-calls.js';
import { NetlinkError } from './netlink-error.js';

/**
 * The kernel may answer each request with an error, which together must fit into the socket's receive
 * buffer (208 KiB by default, and a short answer takes 768 bytes of it).
 */
export const mostRequests = 200;

const answerBytes = 4096;

/** A socket for batches, one after the other. */
export class RequestBatches {
  readonly #fd: number;
  readonly #answer = Buffer.allocUnsafe(answerBytes);

  /** @throws {NetlinkError} if the kernel has no such protocol */
  constructor(protocol: number) {
    this.#fd = openNetlink(protocol);
  }

  /** Call it only when no batch is under way. */
  close(): void {
    closeNetlink(this.#fd);
  }

  /**
   * Sends the requests. Each is done by itself: one that fails keeps none of the others from being done.
   *
   * @param requests {@link mostRequests} at most
   * @throws {NetlinkError} the first reason, but for those that are no failure
   */
  async send(requests: readonly NetlinkRequest[], harmless: readonly string[]): Promise<void> {
    if (requests.length === 0) return;
    const bytes = requests.map((request, index) => {
      const isLast = index === requests.length - 1;
      return formatRequest(
        isLast ? { ...request, flags: request.flags | flag.ack } : request,
        index,
      );
    });
    await sendNetlink(this.#fd, Buffer.concat(bytes));
    let failure: NetlinkError | undefined;
    for (;;) {
      const length = await receiveNetlink(this.#fd, this.#answer);
      for (const { type, sequence, start, end } of messagesIn(this.#answer.subarray(0, length))) {
        if (type !== controlType.error) continue;
        const errno = errnoOf(this.#answer.subarray(start, end));
        if (errno !== 0) {
          const error = NetlinkError.fromErrno(errno);
          if (!harmless.includes(error.code)) failure ??= error;
        }
        // The last one is always answered, and after the others.
        if (sequence !== requests.length - 1) continue;
        if (failure !== undefined) throw failure;
        return;
      }
    }
  }
}
