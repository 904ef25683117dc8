/**
 * Netlink sockets by the libc's own system calls. Those that make the kernel work run on libuv's
 * threads: one walk through a table of the kernel can take tens of milliseconds inside of the call.
 */
import { getSystemErrorMap } from 'node:util';
import koffi, { type KoffiFunc } from 'koffi';
import { errnoText } from '../../core/errno.js';
import { NetlinkError } from './netlink-error.js';

/** A file descriptor of a netlink socket. */
export type NetlinkDescriptor = number;

const netlinkFamily = 16;
/** SOCK_RAW, SOCK_CLOEXEC */
const rawType = 3 | 0o2000000;
const socketLevel = 1;
const receiveTimeout = 20;
const netlinkLevel = 270;
/** NETLINK_CAP_ACK: an error comes without a copy of the request. */
const shortErrors = 10;
/** NETLINK_GET_STRICT_CHK: the kernel filters a dump by what is in its request (since 4.20). */
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

/**
 * A socket of the namespace that the calling thread is in, which takes messages from the kernel only.
 *
 * @throws {NetlinkError} e.g. `EPROTONOSUPPORT` if the kernel has no such protocol
 */
export function openNetlink(protocol: number): NetlinkDescriptor {
  const fd: number = socket(netlinkFamily, rawType, protocol);
  if (fd < 0) throw lastError('socket');
  // Older kernels know fewer options, and then send more than was asked for.
  for (const option of [shortErrors, strictCheck]) {
    setsockopt(fd, netlinkLevel, option, Uint32Array.of(1), 4);
  }
  setsockopt(fd, socketLevel, receiveTimeout, BigInt64Array.of(BigInt(patienceSeconds), 0n), 16);
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
