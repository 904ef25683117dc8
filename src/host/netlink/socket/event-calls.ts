/** Netlink sockets that hear the kernel's reports, as streams of Node's event loop. */
import { Socket } from 'node:net';
import { getSystemErrorMap } from 'node:util';
import koffi from 'koffi';
import { errnoText } from '../../../core/errno.js';
import {
  closeNetlink,
  type FilterInstruction,
  type NetlinkDescriptor,
  openNetlink,
  setMembership,
  setNetlinkFilter,
} from './netlink-calls.js';
import { NetlinkError } from './netlink-error.js';

const unixFamily = 1;
const streamType = 1;
/** SOCK_CLOEXEC, and O_CLOEXEC of dup3. */
const closeOnExec = 0o2000000;

/** Bytes: room for some 24,000 reports of rules. The kernel takes memory only for what waits there. */
const receiveBuffer = 16 * 1024 * 1024;

const library = koffi.load(null);
const socketpair = library.func(
  'int socketpair(int domain, int type, int protocol, _Out_ int *fds)',
);
const dup3 = library.func('int dup3(int from, int to, int flags)');
const close = library.func('int close(int fd)');

export interface EventSource {
  readonly protocol: number;
  readonly groups: readonly number[];
  /** Filters for the socket, of which the first that the kernel takes is used: older ones allow less memory. */
  readonly filters: readonly (readonly FilterInstruction[])[];
}

/**
 * A stream of datagrams, each of them one `data` event. It does not keep the process alive. When the kernel had
 * more to tell than the buffer could take, it ends with the error `ENOBUFS`.
 *
 * Node has no public way to have its event loop wait for a descriptor of a kind that it does not know. But
 * it reads any descriptor that it holds for a socket of the unix family, by read(2). So it is given
 * such a one, whose number then gets the netlink socket.
 *
 * @throws {NetlinkError} e.g. `EPROTONOSUPPORT` if the kernel has no such protocol
 */
export function openEvents(source: EventSource): Socket {
  const fd = openSource(source);
  const pair: number[] = [0, 0];
  if (socketpair(unixFamily, streamType | closeOnExec, 0, pair) !== 0) {
    throw closing(lastError('socketpair'), fd);
  }
  const [slot = -1, other = -1] = pair;
  let stream: Socket;
  try {
    stream = new Socket({ fd: slot, readable: true, writable: false });
  } catch (error) {
    throw closing(error, fd, slot, other);
  }
  stream.unref();
  // Before the event loop's next turn, in which it would begin to wait for the socket that was there.
  const moved = dup3(fd, slot, closeOnExec);
  const error = moved < 0 ? lastError('dup3') : undefined;
  close(fd);
  close(other);
  if (error === undefined) return stream;
  stream.destroy();
  throw error;
}

function openSource({ protocol, groups, filters }: EventSource): NetlinkDescriptor {
  const fd = openNetlink(protocol, { receiveBuffer, nonBlocking: true });
  try {
    for (const filter of filters) if (isTaken(fd, filter)) break;
    for (const group of groups) setMembership(fd, group, true);
    return fd;
  } catch (error) {
    closeNetlink(fd);
    throw error;
  }
}

function isTaken(fd: NetlinkDescriptor, filter: readonly FilterInstruction[]): boolean {
  try {
    setNetlinkFilter(fd, filter);
    return true;
  } catch (error) {
    if (error instanceof NetlinkError) return false;
    throw error;
  }
}

function closing<T>(error: T, ...fds: readonly number[]): T {
  for (const fd of fds) close(fd);
  return error;
}

function lastError(syscall: string): NetlinkError {
  const errno = koffi.errno();
  const [code = `errno ${errno}`] = getSystemErrorMap().get(-errno) ?? [];
  return new NetlinkError(code, `${syscall}: ${errnoText(code)} (${code})`);
}
