/**
 * Which of the host's addresses a datagram was sent to: the kernel tells it in a control message
 * (`IP_PKTINFO`, `IPV6_PKTINFO`), and the same message, sent with the answer, makes the answer come
 * from there. Without it a host with many addresses answers from the one nearest to the client.
 */
import type { Family } from '../../../core/address.js';
import type { Layouts } from './system-calls.js';

/** Room for the control message of one datagram, of either family. */
export const controlBytes = 64;

/**
 * `struct in_pktinfo` and `in6_pktinfo`: where the local address is, how long, and the number of
 * the interface. Of IPv4's two addresses it is `ipi_spec_dst`: also of a broadcast the host's own.
 */
const fields = {
  4: { address: 4, bytes: 4, index: 0, total: 12 },
  6: { address: 0, bytes: 16, index: 16, total: 20 },
} as const;

export class PacketInfo {
  readonly #header: number;
  readonly #align: number;

  constructor({ control, pointerBytes }: Layouts) {
    this.#header = control.size;
    this.#align = pointerBytes;
  }

  /**
   * The control message to answer with, to a datagram whose own has `length` bytes at `offset`.
   * Empty if the kernel has told nothing, or nothing that can be sent from: a multicast address.
   */
  toReplyWith(controls: Buffer, offset: number, length: number, family: Family): Buffer {
    const { index, total, address } = fields[family];
    const end = this.#header + total;
    if (length < end) return Buffer.alloc(0);
    if (family === 6 && controls[offset + this.#header + address] === 0xff) return Buffer.alloc(0);
    const padded = Math.ceil(end / this.#align) * this.#align;
    const reply = Buffer.alloc(padded);
    controls.copy(reply, 0, offset, offset + end);
    // The route decides on the interface.
    reply.fill(0, this.#header + index, this.#header + index + 4);
    return reply;
  }

  /** Whether `reply` is still right for this datagram. */
  isReplyTo(reply: Buffer, controls: Buffer, offset: number, family: Family): boolean {
    if (reply.length === 0) return true;
    const { address, bytes } = fields[family];
    for (let at = this.#header + address; at < this.#header + address + bytes; at += 4) {
      if (reply.readUInt32LE(at) !== controls.readUInt32LE(offset + at)) return false;
    }
    return true;
  }
}
