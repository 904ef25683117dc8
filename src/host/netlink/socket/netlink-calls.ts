/**
 * Netlink sockets by the libc's own system calls. A call either runs on libuv's threads, since inside of it the
 * kernel can walk through a table or wait for its lock of links for tens of milliseconds and more, or, if its name
 * ends in `Now`, where it is called, for work that is known to be short.
 */
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import koffi, { type KoffiFunc } from 'koffi';
import { errnoText } from '../../../core/errno.js';
import { NetlinkError } from './netlink-error.js';

/** A file descriptor of a netlink socket. */
export type NetlinkDescriptor = number;

const netlinkFamily = 16;
/** SOCK_RAW, SOCK_CLOEXEC */
const rawType = 3 | 0o2000000;
/** SOCK_NONBLOCK */
const nonBlockingType = 0o4000;
const socketLevel = 1;
const receiveTimeout = 20;
/** SO_ATTACH_FILTER */
const attachFilter = 26;
/** SO_SNDBUFFORCE, SO_RCVBUFFORCE: beyond what net.core allows, with CAP_NET_ADMIN. */
const forcedBuffer = { send: 32, receive: 33 } as const;
const netlinkLevel = 270;
const addMembership = 1;
const dropMembership = 2;
/** NETLINK_CAP_ACK: an error comes without a copy of the request. */
const shortErrors = 10;
/**
 * NETLINK_GET_STRICT_CHK (since 4.20), for rtnetlink: the kernel filters a dump by what is in the request. It also refuses
 * a request with an attribute or a value that it cannot use; without the option it ignores these, and so answers another
 * question.
 */
const strictCheck = 12;

const patienceSeconds = 10;

const library = koffi.load(null);
const socket = library.func('int socket(int domain, int type, int protocol)');
const connect = library.func('int connect(int fd, const void *address, uint length)');
const setsockopt = library.func(
  'int setsockopt(int fd, int level, int name, const void *value, uint length)',
);
const close = library.func('int close(int fd)');
const send = library.func('int64 send(int fd, const void *bytes, size_t length, int flags)');
const recv = library.func('int64 recv(int fd, void *bytes, size_t length, int flags)');
const getsockname = library.func('int getsockname(int fd, _Out_ void *address, void *length)');

export interface NetlinkOptions {
  /** Bytes that one message to the kernel may have; 208 KiB by default. */
  readonly sendBuffer?: number;
  /** Bytes of the kernel's answers that can wait to be read, with what the kernel needs for each of them. */
  readonly receiveBuffer?: number;
  /** Neither the socket nor its copies ever wait. */
  readonly nonBlocking?: boolean;
}

/**
 * A socket of the namespace that the calling thread is in, which takes messages from the kernel only.
 *
 * @throws {NetlinkError} e.g. `EPROTONOSUPPORT` if the kernel has no such protocol
 */
export function openNetlink(protocol: number, options: NetlinkOptions = {}): NetlinkDescriptor {
  const { sendBuffer, receiveBuffer, nonBlocking = false } = options;
  const fd: number = socket(netlinkFamily, rawType | (nonBlocking ? nonBlockingType : 0), protocol);
  if (fd < 0) throw lastError('socket');
  // Older kernels know fewer options, and then send more than was asked for.
  for (const option of [shortErrors, strictCheck]) setNumber(fd, netlinkLevel, option, 1);
  setsockopt(fd, socketLevel, receiveTimeout, BigInt64Array.of(BigInt(patienceSeconds), 0n), 16);
  // Without CAP_NET_ADMIN they stay as they are: a message that is too long is refused (EMSGSIZE) then.
  if (sendBuffer !== undefined) setNumber(fd, socketLevel, forcedBuffer.send, sendBuffer);
  if (receiveBuffer !== undefined) setNumber(fd, socketLevel, forcedBuffer.receive, receiveBuffer);
  // struct sockaddr_nl of the kernel: what others send to a connected socket is refused.
  const kernel = new Uint16Array(6);
  kernel[0] = netlinkFamily;
  if (connect(fd, kernel, kernel.byteLength) === 0) return fd;
  const error = lastError('connect');
  close(fd);
  throw error;
}

/** Not while a call on it is under way: another file could get its number meanwhile. */
export function closeNetlink(fd: NetlinkDescriptor): void {
  close(fd);
}

/** Answers with 0 or -1, as the system call. */
function setNumber(fd: NetlinkDescriptor, level: number, option: number, value: number): number {
  return setsockopt(fd, level, option, Uint32Array.of(value), 4);
}

/**
 * This socket's netlink port, which the reports of what its messages change have as `nlmsg_pid`:
 * also if another thread has sent it, and in every pid namespace.
 */
export function portIdOf(fd: NetlinkDescriptor): number {
  const address = new Uint32Array(3);
  if (getsockname(fd, address, Uint32Array.of(address.byteLength)) !== 0) {
    throw lastError('getsockname');
  }
  return address[1] ?? 0;
}

/**
 * From now on the socket gets a multicast group's reports, or no longer.
 *
 * @throws {NetlinkError} e.g. `EPERM` without CAP_NET_ADMIN
 */
export function setMembership(fd: NetlinkDescriptor, group: number, member: boolean): void {
  const option = member ? addMembership : dropMembership;
  if (setNumber(fd, netlinkLevel, option, group) !== 0) throw lastError('setsockopt');
}

/** One instruction of the classic BPF, as struct sock_filter. */
export interface FilterInstruction {
  readonly code: number;
  readonly jumpTrue: number;
  readonly jumpFalse: number;
  readonly operand: number;
}

const filterType = koffi.struct({ code: 'uint16', jt: 'uint8', jf: 'uint8', k: 'uint32' });
const filterProgram = koffi.struct({ length: 'uint16', filter: koffi.pointer(filterType) });
const setFilter = library.func('setsockopt', 'int', [
  'int',
  'int',
  'int',
  koffi.pointer(filterProgram),
  'uint',
]);

/**
 * The kernel drops messages to the socket for which the program answers 0, before they take room in its
 * buffer.
 *
 * @throws {NetlinkError} `EINVAL` if the kernel does not take the program
 */
export function setNetlinkFilter(
  fd: NetlinkDescriptor,
  program: readonly FilterInstruction[],
): void {
  const filter = program.map(({ code, jumpTrue, jumpFalse, operand }) => {
    return { code, jt: jumpTrue, jf: jumpFalse, k: operand };
  });
  const value = { length: filter.length, filter };
  const length = koffi.sizeof(filterProgram);
  if (setFilter(fd, socketLevel, attachFilter, value, length) !== 0) throw lastError('setsockopt');
}

/** The kernel works on it inside of this call: for short messages only. */
export function sendNetlinkNow(fd: NetlinkDescriptor, bytes: Buffer): void {
  if (send(fd, bytes, bytes.length, 0) < 0) throw lastError('send');
}

/**
 * One datagram that the kernel has sent already; answers with its length, or undefined if there is none.
 *
 * @throws {NetlinkError} `ENOBUFS` if some did not fit into the socket's buffer
 */
export function receiveNetlinkNow(fd: NetlinkDescriptor, into: Buffer): number | undefined {
  const length = Number(recv(fd, into, into.length, truncated | dontWait));
  if (length >= 0) return length;
  if (koffi.errno() === constants.errno.EAGAIN) return undefined;
  throw lastError('recv');
}

export async function sendNetlink(fd: NetlinkDescriptor, bytes: Buffer): Promise<void> {
  await onThread(send, 'send', [fd, bytes, bytes.length, 0]);
}

/**
 * One datagram; answers with its length.
 *
 * @throws {NetlinkError} `ETIMEDOUT` if none comes within ten seconds
 */
export function receiveNetlink(fd: NetlinkDescriptor, into: Buffer): Promise<number> {
  return onThread(recv, 'recv', [fd, into, into.length, truncated]);
}

/** MSG_TRUNC: the answer is the datagram's own length, also if that is more than the buffer's. */
const truncated = 0x20;
/** MSG_DONTWAIT */
const dontWait = 0x40;

function onThread(
  call: KoffiFunc<(...parameters: unknown[]) => number>,
  name: string,
  parameters: readonly (number | Buffer)[],
): Promise<number> {
  return new Promise((resolve, reject) => {
    call.async(...parameters, (error: Error | null, result: number) => {
      if (error !== null) reject(error);
      else if (result >= 0) resolve(result);
      else reject(lastError(name));
    });
  });
}

function lastError(syscall: string): NetlinkError {
  const errno = koffi.errno();
  const [code = `errno ${errno}`] = getSystemErrorMap().get(-errno) ?? [];
  if (code === 'EAGAIN') {
    return new NetlinkError('ETIMEDOUT', `no answer after ${patienceSeconds} s (ETIMEDOUT)`);
  }
  return new NetlinkError(code, `${syscall}: ${errnoText(code)} (${code})`);
}
