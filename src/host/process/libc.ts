/**
 * System calls that Node does not offer, by foreign function calls into the libc that the process
 * has loaded already (glibc or musl).
 */

import { getSystemErrorMap } from 'node:util';
import koffi from 'koffi';
import { errnoText } from '../../core/errno.js';
import { fileFlag } from '../../linux.js';

/** A system call that failed. */
export class SystemCallError extends Error {
  override readonly name = 'SystemCallError';
  constructor(
    readonly syscall: string,
    /** `EINVAL`, … */
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** All of them act on the calling thread at once; they throw {@link SystemCallError}. */
export interface Libc {
  /** Moves the calling thread into the network namespace that this descriptor is of. */
  setNetworkNamespace(fd: number): void;
  /**
   * Locks the open file for this process alone, without waiting; false if another holds the lock.
   * The lock goes when the descriptor is closed, so with the process at the latest.
   */
  tryLockFile(fd: number): boolean;
  /**
   * To a datagram socket of the unix family, without waiting; false if its queue is full. A path
   * that begins with `@` is an abstract one.
   */
  trySendDatagram(path: string, text: string): boolean;
  /**
   * The process that has connected this socket of the unix family, in our PID namespace; 0 if it is in
   * another one.
   */
  peerProcess(fd: number): number;
  /**
   * Sends an Ethernet frame out of an interface in the network namespace of the calling thread, without waiting. Needs
   * CAP_NET_RAW.
   *
   * @param index of the interface
   */
  sendFrame(index: number, frame: Buffer): void;
  /** The user as whom that process connected; 65534 for one whom this user namespace does not have. */
  peerUser(fd: number): number;
}

const cloneNewNet = 0x40000000;
const lockExclusiveNonBlocking = 2 | 4;
const unixFamily = 1;
/** SOCK_DGRAM, SOCK_CLOEXEC */
const datagramType = 2 | fileFlag.closeOnExec;
const doNotWait = 0x40;
/** AF_PACKET, and SOCK_RAW with SOCK_CLOEXEC. */
const packetFamily = 17;
const rawType = 3 | fileFlag.closeOnExec;
/** SOL_SOCKET, SO_PEERCRED: `struct ucred` of pid, uid and gid, four bytes each. */
const socketLevel = 1;
const peerCredentials = 17;
const credentialsBytes = 12;

export function loadLibc(): Libc {
  const library = koffi.load(null);
  const setns = library.func('int setns(int fd, int nstype)');
  const flock = library.func('int flock(int fd, int operation)');
  const socket = library.func('int socket(int domain, int type, int protocol)');
  const close = library.func('int close(int fd)');
  const sendto = library.func(
    'int64 sendto(int fd, const void *text, size_t n, int flags, const void *to, uint size)',
  );

  const getsockopt = library.func(
    'int getsockopt(int fd, int level, int name, _Out_ void *value, _Inout_ uint *length)',
  );

  /** `struct ucred`, in the byte order of all machines that tsbridge runs on. */
  const credentialsOf = (fd: number): Buffer => {
    const value = Buffer.alloc(credentialsBytes);
    const length = [credentialsBytes];
    if (getsockopt(fd, socketLevel, peerCredentials, value, length) !== 0) {
      throw lastError('getsockopt');
    }
    return value;
  };

  return {
    setNetworkNamespace(fd) {
      if (setns(fd, cloneNewNet) !== 0) throw lastError('setns');
    },
    tryLockFile(fd) {
      if (flock(fd, lockExclusiveNonBlocking) === 0) return true;
      const error = lastError('flock');
      if (error.code === 'EAGAIN') return false;
      throw error;
    },
    trySendDatagram(path, text) {
      const fd: number = socket(unixFamily, datagramType, 0);
      if (fd < 0) throw lastError('socket');
      try {
        const bytes = Buffer.from(text);
        const address = unixAddress(path);
        const sent = sendto(fd, bytes, bytes.length, doNotWait, address, address.length);
        if (sent >= 0) return true;
        const error = lastError('sendto');
        if (error.code === 'EAGAIN') return false;
        throw error;
      } finally {
        close(fd);
      }
    },
    sendFrame(index, frame) {
      // With protocol 0 the socket receives nothing.
      const fd: number = socket(packetFamily, rawType, 0);
      if (fd < 0) throw lastError('socket');
      try {
        const address = linkAddress(index, frame);
        const sent = sendto(fd, frame, frame.length, doNotWait, address, address.length);
        if (sent < 0) throw lastError('sendto');
      } finally {
        close(fd);
      }
    },
    peerProcess: (fd) => credentialsOf(fd).readInt32LE(0),
    peerUser: (fd) => credentialsOf(fd).readUInt32LE(4),
  };
}

/** `struct sockaddr_un`, without the zero at its end. */
function unixAddress(path: string): Uint8Array {
  const family = new Uint8Array(Uint16Array.of(unixFamily).buffer);
  return Buffer.concat([family, Buffer.from(path.replace(/^@/, '\0'))]);
}

/** A `struct sockaddr_ll` of the interface, with the EtherType and the destination that the frame has. */
function linkAddress(index: number, frame: Buffer): Buffer {
  const macLength = 6;
  const address = Buffer.alloc(20);
  address.writeUInt16LE(packetFamily, 0);
  frame.copy(address, 2, 2 * macLength, 2 * macLength + 2);
  address.writeInt32LE(index, 4);
  address[11] = macLength;
  frame.copy(address, 12, 0, macLength);
  return address;
}

function lastError(syscall: string): SystemCallError {
  const errno = koffi.errno();
  const [code = `errno ${errno}`] = getSystemErrorMap().get(-errno) ?? [];
  return new SystemCallError(syscall, code, `${syscall}: ${errnoText(code)} (${code})`);
}
