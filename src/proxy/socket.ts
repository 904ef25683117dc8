/**
 * Listening sockets by system call: bound at once, with the kernel's own error, for TCP, UDP and
 * SCTP (which Node does not have). Two thousand of them take 15 ms.
 */
import koffi from 'koffi';
import { addressBytes, familyOf, type IpAddress } from '../core/address.js';
import { type PortBinding, type Protocol, protocolNumber } from '../core/port.js';

export interface SocketFailure {
  /** `EADDRINUSE`, `EADDRNOTAVAIL`, … */
  readonly code: string;
  /** `socket`, `bind`, … */
  readonly syscall: string;
}

/** Linux, any architecture that Node runs on. */
const linux = {
  afInet: 2,
  afInet6: 10,
  sockStream: 1,
  sockDatagram: 2,
  nonBlocking: 0o4000,
  closeOnExec: 0o2000000,
  solSocket: 1,
  reuseAddress: 2,
  ipprotoIpv6: 41,
  ipv6Only: 26,
} as const;

/** What waits to be accepted; the kernel cuts it to net.core.somaxconn. */
const backlog = 4096;

export class Sockets {
  readonly #socket: (family: number, type: number, protocol: number) => number;
  readonly #setOption: (
    fd: number,
    level: number,
    name: number,
    value: Buffer,
    n: number,
  ) => number;
  readonly #bind: (fd: number, address: Uint8Array, length: number) => number;
  readonly #listen: (fd: number, backlog: number) => number;
  readonly #connect: (fd: number, address: Uint8Array, length: number) => number;
  readonly #close: (fd: number) => number;

  constructor() {
    const libc = koffi.load(null);
    this.#socket = libc.func('int socket(int domain, int type, int protocol)');
    this.#setOption = libc.func(
      'int setsockopt(int fd, int level, int name, const void *value, uint length)',
    );
    this.#bind = libc.func('int bind(int fd, const void *address, uint length)');
    this.#listen = libc.func('int listen(int fd, int backlog)');
    this.#connect = libc.func('int connect(int fd, const void *address, uint length)');
    this.#close = libc.func('int close(int fd)');
  }

  /** A bound socket, listening if its protocol has connections. Not shared with children. */
  open({ protocol, hostIp, hostPort }: PortBinding): number | SocketFailure {
    const fd = this.#create(protocol, hostIp);
    if (fd < 0) return failure('socket');
    const address = socketAddress(hostIp, hostPort);
    const on = Buffer.from([1, 0, 0, 0]);
    const setUp: [syscall: string, call: () => number][] = [
      // A port whose last connections are in TIME_WAIT is free.
      ['setsockopt', () => this.#option(fd, linux.solSocket, linux.reuseAddress, on, protocol)],
      ['setsockopt', () => this.#ipv6Only(fd, hostIp, on)],
      ['bind', () => this.#bind(fd, address, address.length)],
      ['listen', () => (protocol === 'udp' ? 0 : this.#listen(fd, backlog))],
    ];
    for (const [syscall, call] of setUp) {
      if (call() === 0) continue;
      const why = failure(syscall);
      this.#close(fd);
      return why;
    }
    return fd;
  }

  /** A socket on its way to being connected (`EINPROGRESS` is no failure): for SCTP. */
  connect(protocol: Protocol, ip: IpAddress, port: number): number | SocketFailure {
    const fd = this.#create(protocol, ip);
    if (fd < 0) return failure('socket');
    const address = socketAddress(ip, port);
    if (this.#connect(fd, address, address.length) === 0) return fd;
    const why = failure('connect');
    if (why.code === 'EINPROGRESS') return fd;
    this.#close(fd);
    return why;
  }

  close(fd: number): void {
    this.#close(fd);
  }

  #create(protocol: Protocol, ip: IpAddress): number {
    const domain = familyOf(ip) === 4 ? linux.afInet : linux.afInet6;
    const type = protocol === 'udp' ? linux.sockDatagram : linux.sockStream;
    return this.#socket(
      domain,
      type | linux.nonBlocking | linux.closeOnExec,
      protocolNumber[protocol],
    );
  }

  /** Not for UDP, where it would let two programs have the same port. */
  #option(fd: number, level: number, name: number, value: Buffer, protocol: Protocol): number {
    return protocol === 'udp' ? 0 : this.#setOption(fd, level, name, value, value.length);
  }

  /** IPv4 clients have a socket of their own. */
  #ipv6Only(fd: number, ip: IpAddress, on: Buffer): number {
    if (familyOf(ip) === 4) return 0;
    return this.#setOption(fd, linux.ipprotoIpv6, linux.ipv6Only, on, on.length);
  }
}

/** `struct sockaddr_in` (16 bytes) or `sockaddr_in6` (28 bytes). */
export function socketAddress(ip: IpAddress, port: number): Uint8Array {
  const ipv4 = familyOf(ip) === 4;
  const buffer = Buffer.alloc(ipv4 ? 16 : 28);
  buffer[littleEndian() ? 0 : 1] = ipv4 ? linux.afInet : linux.afInet6;
  buffer.writeUInt16BE(port, 2);
  buffer.set(addressBytes(ip), ipv4 ? 4 : 8);
  return buffer;
}

/** The address family is in the host's byte order. */
function littleEndian(): boolean {
  return new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
}

function failure(syscall: string): SocketFailure {
  const number = koffi.errno();
  const name = Object.entries(koffi.os.errno).find(([, value]) => value === number)?.[0];
  return { syscall, code: name ?? `errno ${number}` };
}
