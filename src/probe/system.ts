/** System calls of a probe, by foreign function calls into the libc. All of them act on the calling thread at once. */
import { getSystemErrorMap } from 'node:util';
import koffi from 'koffi';
import { addressBytes, type Family, familyNumber, parseIp } from '../core/address.js';

const cloneNewNet = 0x40000000;
/** PR_SET_PDEATHSIG, SIGKILL. */
const parentDeathSignal = 1;
const kill = 9;
/** SOCK_DGRAM, SOCK_NONBLOCK, SOCK_CLOEXEC. */
const socketType = 2 | 0o4000 | 0o2000000;
const icmp: Readonly<Record<Family, number>> = { 4: 1, 6: 58 };

export class ProbeError extends Error {
  override readonly name = 'ProbeError';
  constructor(
    readonly syscall: string,
    /** `EPERM`, … */
    readonly code: string,
  ) {
    super(`${syscall}: ${code}`);
  }
}

export interface PingSocket {
  /** @throws {ProbeError} */
  send(address: string, message: Uint8Array): void;
  /** A message that has come; undefined: none. @throws {ProbeError} */
  receive(): Buffer | undefined;
  close(): void;
}

export interface ProbeSystem {
  /** Moves the calling thread into a network namespace of its own, which ends with what is in it. */
  newNetworkNamespace(): void;
  /** From now on the kernel ends this process with its parent. */
  dieWithParent(): void;
  /** For echo requests; the kernel fills in identifier and checksum, and gives answers to them alone. */
  openPing(family: Family): PingSocket;
}

const longestMessage = 2_048;

export function loadProbeSystem(): ProbeSystem {
  const library = koffi.load(null);
  const unshare = library.func('int unshare(int flags)');
  const prctl = library.func('int prctl(int option, unsigned long value)');
  const socket = library.func('int socket(int domain, int type, int protocol)');
  const close = library.func('int close(int fd)');
  const sendto = library.func(
    'int64 sendto(int fd, const void *text, size_t n, int flags, const void *to, uint size)',
  );
  const recv = library.func('int64 recv(int fd, _Out_ void *text, size_t n, int flags)');
  const checked = (syscall: string, result: number | bigint): number => {
    if (Number(result) >= 0) return Number(result);
    const errno = koffi.errno();
    const [code = `errno ${errno}`] = getSystemErrorMap().get(-errno) ?? [];
    throw new ProbeError(syscall, code);
  };
  return {
    newNetworkNamespace: () => {
      checked('unshare', unshare(cloneNewNet));
    },
    dieWithParent: () => {
      checked('prctl', prctl(parentDeathSignal, kill));
    },
    openPing(family) {
      const fd = checked('socket', socket(familyNumber[family], socketType, icmp[family]));
      return {
        send(address, message) {
          const to = socketAddress(family, address);
          checked('sendto', sendto(fd, message, message.length, 0, to, to.length));
        },
        receive() {
          const message = Buffer.alloc(longestMessage);
          try {
            return message.subarray(0, checked('recv', recv(fd, message, message.length, 0)));
          } catch (error) {
            if (error instanceof ProbeError && error.code === 'EAGAIN') return undefined;
            throw error;
          }
        },
        close: () => close(fd),
      };
    },
  };
}

/** `struct sockaddr_in` or `sockaddr_in6`; a ping has no port. */
function socketAddress(family: Family, text: string): Buffer {
  const address = parseIp(text);
  if (address === undefined) throw new ProbeError('sendto', 'EINVAL');
  const bytes = Buffer.alloc(family === 4 ? 16 : 28);
  bytes.writeUInt16LE(familyNumber[family], 0);
  bytes.set(addressBytes(address), family === 4 ? 4 : 8);
  return bytes;
}
