/**
 * Sockets by system call: bound at once, with the kernel's own error, for TCP, UDP and SCTP (which
 * Node does not have). None of them waits, and none is shared with children.
 */
import {
  anyIpv4,
  anyIpv6,
  type Family,
  familyNumber,
  familyOf,
  type IpAddress,
} from '../../../core/address.js';
import type { Sharing } from '../../../core/generations/ports/udp-sockets.js';
import { type PortBinding, type Protocol, protocolNumber } from '../../../core/ports/port.js';
import { fileFlag } from '../../../linux.js';
import { addressLength, setPort, socketAddress } from './socket-address.js';
import { type CallFailure, errors, failureOf, type SystemCalls } from './system-calls.js';

/** Linux, any architecture that Node runs on. */
const linux = {
  sockStream: 1,
  sockDatagram: 2,
  solSocket: 1,
  reuseAddress: 2,
  keepAlive: 9,
  linger: 13,
  domain: 39,
  tcpNoDelay: 1,
  tcpKeepIdle: 4,
  tcpKeepInterval: 5,
  ipPacketInfo: 8,
  ipprotoIpv6: 41,
  ipv6Only: 26,
  ipv6ReceivePacketInfo: 49,
} as const;

/** Connections that may wait to be accepted; the kernel limits it to net.core.somaxconn. */
const backlog = 4096;
/** As docker-proxy: a client that has vanished is noticed after some of these. */
const keepAliveSeconds = 15;

const on = Int32Array.of(1);
const off = Int32Array.of(0);
/** `struct sockaddr_in6` of an IPv4 client begins its address with these. */
const mappedPrefix = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
const ipv6AddressAt = 8;
/** `struct linger`: on, zero seconds. */
const lingerNone = Int32Array.of(1, 0);
const keepAliveTime = Int32Array.of(keepAliveSeconds);

export class Sockets {
  #lastIp: IpAddress | undefined;
  #lastAddress: Uint8Array = new Uint8Array();
  readonly #peer = Buffer.alloc(addressLength[6]);
  readonly #peerLength = new Uint32Array(1);

  constructor(private readonly system: SystemCalls) {}

  /** A bound socket, listening if its protocol has connections. */
  open(binding: PortBinding, sharing?: Sharing): number | CallFailure {
    const { hostIp } = binding;
    if (sharing === 'any-address') {
      const any = familyOf(hostIp) === 4 ? anyIpv4 : anyIpv6;
      return this.#open({ ...binding, hostIp: any }, true);
    }
    const alone = this.#open(binding, binding.protocol !== 'udp');
    if (sharing === undefined || typeof alone === 'number') return alone;
    return alone.code === 'EADDRINUSE' ? this.#open(binding, true) : alone;
  }

  /** A socket for clients of both families, on all addresses of the host. */
  openForBoth(protocol: Protocol, port: number): number | CallFailure {
    const fd = this.#create(protocol, 6);
    if (fd < 0) return this.#failure('socket');
    const failed =
      this.#option(fd, linux.ipprotoIpv6, linux.ipv6Only, off) === 0
        ? this.#bind(fd, protocol, this.#addressOf(anyIpv6, port), protocol !== 'udp')
        : 'setsockopt';
    if (failed === undefined) return fd;
    const why = this.#failure(failed);
    this.close(fd);
    return why;
  }

  /** Whether it is one of {@link openForBoth}. */
  isForBoth(fd: number): boolean {
    const family = this.#read(fd, linux.solSocket, linux.domain);
    if (family !== familyNumber[6]) return false;
    return this.#read(fd, linux.ipprotoIpv6, linux.ipv6Only) === 0;
  }

  /** @param reuse SO_REUSEADDR */
  #open({ protocol, hostIp, hostPort }: PortBinding, reuse: boolean): number | CallFailure {
    const family = familyOf(hostIp);
    const fd = this.#create(protocol, family);
    if (fd < 0) return this.#failure('socket');
    const failed = this.#setUp(fd, protocol, family, this.#addressOf(hostIp, hostPort), reuse);
    if (failed === undefined) return fd;
    const why = this.#failure(failed);
    this.close(fd);
    return why;
  }

  /** A socket on its way to being connected: its first event says whether it is. */
  connect(protocol: Protocol, ip: IpAddress, port: number): number | CallFailure {
    return this.connectTo(protocol, socketAddress(ip, port));
  }

  /** Connects to the address in this `struct sockaddr`. */
  connectTo(protocol: Protocol, address: Uint8Array): number | CallFailure {
    const fd = this.#create(protocol, address.length === addressLength[4] ? 4 : 6);
    if (fd < 0) return this.#failure('socket');
    if (protocol === 'tcp') {
      this.#option(fd, protocolNumber.tcp, linux.tcpNoDelay);
      this.#option(fd, linux.solSocket, linux.keepAlive);
    }
    if (this.system.connect(fd, address, address.length) === 0) return fd;
    if (this.system.errno() === errors.EINPROGRESS) return fd;
    const why = this.#failure('connect');
    this.close(fd);
    return why;
  }

  /** The next connection that waits; -1 if there is none, or on an error. */
  accept(fd: number): number {
    return this.system.accept4(fd, null, null, fileFlag.nonBlocking | fileFlag.closeOnExec);
  }

  /** As {@link accept}, on a socket of {@link openForBoth}; {@link peerFamily} is that of the client. */
  acceptFromBoth(fd: number): number {
    this.#peerLength[0] = this.#peer.length;
    const flags = fileFlag.nonBlocking | fileFlag.closeOnExec;
    return this.system.accept4(fd, this.#peer, this.#peerLength, flags);
  }

  get peerFamily(): Family {
    const { length } = mappedPrefix;
    const prefix = this.#peer.subarray(ipv6AddressAt, ipv6AddressAt + length);
    return prefix.equals(mappedPrefix) ? 4 : 6;
  }

  /** Sets options on a TCP connection, or on a listening socket, whose connections then inherit them. */
  setConnectionOptions(fd: number): void {
    this.#option(fd, protocolNumber.tcp, linux.tcpNoDelay);
    this.#option(fd, linux.solSocket, linux.keepAlive);
    this.#option(fd, protocolNumber.tcp, linux.tcpKeepIdle, keepAliveTime);
    this.#option(fd, protocolNumber.tcp, linux.tcpKeepInterval, keepAliveTime);
  }

  /** From now on each datagram comes with the address that it was sent to. */
  receivePacketInfo(fd: number, family: Family): void {
    if (family === 4) this.#option(fd, 0, linux.ipPacketInfo);
    else this.#option(fd, linux.ipprotoIpv6, linux.ipv6ReceivePacketInfo);
  }

  /** Closing the socket then sends a reset in place of a regular end. */
  resetOnClose(fd: number): void {
    this.#option(fd, linux.solSocket, linux.linger, lingerNone);
  }

  close(fd: number): void {
    this.system.close(fd);
  }

  /** The system call that failed. */
  #setUp(
    fd: number,
    protocol: Protocol,
    family: Family,
    address: Uint8Array,
    reuse: boolean,
  ): string | undefined {
    // A socket for IPv6 alone takes no IPv4 clients: these have a listener of their own.
    if (family === 6 && this.#option(fd, linux.ipprotoIpv6, linux.ipv6Only) !== 0) {
      return 'setsockopt';
    }
    return this.#bind(fd, protocol, address, reuse);
  }

  #bind(fd: number, protocol: Protocol, address: Uint8Array, reuse: boolean): string | undefined {
    // SO_REUSEADDR: a TCP port can be bound while its last connections are in TIME_WAIT; a UDP port can be
    // bound by two programs that both set it.
    if (reuse && this.#option(fd, linux.solSocket, linux.reuseAddress) !== 0) {
      return 'setsockopt';
    }
    if (this.system.bind(fd, address, address.length) !== 0) return 'bind';
    if (protocol !== 'udp' && this.system.listen(fd, backlog) !== 0) return 'listen';
    return undefined;
  }

  /** One buffer for all calls, valid until the next one: thousands of ports share one address. */
  #addressOf(ip: IpAddress, port: number): Uint8Array {
    if (ip !== this.#lastIp) this.#lastAddress = socketAddress(ip, port);
    this.#lastIp = ip;
    setPort(this.#lastAddress, port);
    return this.#lastAddress;
  }

  #create(protocol: Protocol, family: Family): number {
    const type = protocol === 'udp' ? linux.sockDatagram : linux.sockStream;
    return this.system.socket(
      familyNumber[family],
      type | fileFlag.nonBlocking | fileFlag.closeOnExec,
      protocolNumber[protocol],
    );
  }

  #option(fd: number, level: number, name: number, value: Int32Array = on): number {
    return this.system.setsockopt(fd, level, name, value, value.byteLength);
  }

  /** A whole number; undefined if the socket has no such option. */
  #read(fd: number, level: number, name: number): number | undefined {
    const value = new Int32Array(1);
    const length = Uint32Array.of(value.byteLength);
    return this.system.getsockopt(fd, level, name, value, length) === 0 ? value[0] : undefined;
  }

  #failure(syscall: string): CallFailure {
    return failureOf(this.system, syscall);
  }
}
