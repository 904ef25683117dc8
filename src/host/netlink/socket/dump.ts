/**
 * Dumps of tables that other programs can fill: links, addresses, routes, tracked connections. Each is
 * read from a socket of its own, one datagram at a time and on libuv's threads, so that the kernel
 * goes on only as its reader does, the event loop never waits, and no table is held in memory.
 */
import {
  controlType,
  errnoOf,
  flag,
  formatRequest,
  messagesIn,
  type NetlinkRequest,
} from '../../../codec/netlink/netlink-message.js';
import {
  closeNetlink,
  type NetlinkDescriptor,
  openNetlink,
  receiveNetlink,
  sendNetlink,
} from './netlink-calls.js';
import { NetlinkError } from './netlink-error.js';

/** The kernel fills datagrams of a dump up to this, if its reader's buffer is as large. */
const datagramBytes = 32 * 1024;
const attempts = 5;
const sequence = 1;

/** Called with each datagram, whose bytes the next one overwrites. The dump goes on when its promise resolves. */
export type DatagramReader = (datagram: Buffer) => void | Promise<void>;

/** Opens the socket of a dump, in the network namespace that the caller wants. */
export type DumpOpener = (protocol: number) => NetlinkDescriptor;

/**
 * Answers with false if the table changed during the dump: entries may be missing or come twice.
 *
 * @throws {NetlinkError} with the kernel's reason
 */
export async function readDump(
  protocol: number,
  request: NetlinkRequest,
  read: DatagramReader,
  open: DumpOpener = openNetlink,
): Promise<boolean> {
  const fd = open(protocol);
  try {
    await sendNetlink(fd, formatRequest(request, sequence));
    return await readDatagrams(fd, read);
  } finally {
    // If the dump has not ended, the kernel drops the rest of it.
    closeNetlink(fd);
  }
}

async function readDatagrams(fd: NetlinkDescriptor, read: DatagramReader): Promise<boolean> {
  const buffer = Buffer.allocUnsafe(datagramBytes);
  let whole = true;
  for (;;) {
    const length = await receiveNetlink(fd, buffer);
    if (length > buffer.length) {
      throw new NetlinkError('EMSGSIZE', `an answer of ${length} bytes is too long (EMSGSIZE)`);
    }
    const datagram = buffer.subarray(0, length);
    await read(datagram);
    for (const { type, flags, start, end } of messagesIn(datagram)) {
      if ((flags & flag.dumpInterrupted) !== 0) whole = false;
      if (type !== controlType.done && type !== controlType.error) continue;
      const errno = errnoOf(datagram.subarray(start, end));
      if (errno !== 0) throw NetlinkError.fromErrno(errno);
      return whole;
    }
  }
}

/**
 * What `parse` makes of the messages of a dump. If the table changed meanwhile, the dump is read anew.
 *
 * @param parse undefined leaves a message out; it must keep no part of the body
 * @throws {NetlinkError} with the kernel's reason, or `EINTR` if the table changed during five dumps
 */
export async function collectDump<Item>(
  protocol: number,
  request: NetlinkRequest,
  parse: (type: number, body: Buffer) => Item | undefined,
  open: DumpOpener = openNetlink,
): Promise<Item[]> {
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const items: Item[] = [];
    const take = (datagram: Buffer): void => {
      for (const { type, start, end } of messagesIn(datagram)) {
        const item = parse(type, datagram.subarray(start, end));
        if (item !== undefined) items.push(item);
      }
    };
    const whole = await readDump(protocol, request, take, open);
    if (whole) return items;
  }
  throw new NetlinkError('EINTR', 'changed again and again while it was read (EINTR)');
}
