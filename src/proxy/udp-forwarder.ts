/** A published UDP port: each client has a socket of its own to the container. */
import { type Family, familyOf } from '../core/address.js';
import type { PortBinding } from '../core/ports/port.js';
import { type Datagrams, nameBytes } from './datagrams.js';
import type { Forwarder } from './forwarder.js';
import { type EventLoop, epoll, type Watcher } from './system/event-loop.js';
import { controlBytes, type PacketInfo } from './system/packet-info.js';
import type { Sockets } from './system/socket.js';
import { addressKey, addressLength, socketAddress } from './system/socket-address.js';

/** As docker-proxy. */
const idleMs = 90_000;
/** For one port: a flood of made-up clients must not take all descriptors. */
const maxSessions = 4_096;

/** What all UDP forwarders of the process share. */
export interface UdpParts {
  readonly loop: EventLoop;
  readonly sockets: Sockets;
  readonly datagrams: Datagrams;
  readonly packetInfo: PacketInfo;
  /** How long a client and its container may be silent, if not 90 s. */
  readonly idleMs: number | undefined;
}

class Session implements Watcher {
  lastUsed = performance.now();

  constructor(
    private readonly parts: UdpParts,
    private readonly listener: number,
    readonly socket: number,
    private readonly client: Buffer,
    /** What makes answers come from the address that the client has asked. */
    public control: Buffer,
  ) {}

  ready(): void {
    const { datagrams } = this.parts;
    const count = datagrams.reply(this.socket, this.listener, this.client, this.control);
    if (count > 0) this.lastUsed = performance.now();
  }
}

export class UdpForwarder implements Forwarder, Watcher {
  /** Made for the first client. */
  #container: Uint8Array | undefined;
  readonly #family: Family;
  readonly #sessions = new Map<number | string, Session>();
  readonly #sweep: NodeJS.Timeout;

  /** `fd` is bound; it belongs to the forwarder from here on. */
  constructor(
    private readonly parts: UdpParts,
    private readonly fd: number,
    private readonly binding: PortBinding,
  ) {
    this.#family = familyOf(binding.hostIp);
    parts.sockets.receivePacketInfo(fd, this.#family);
    parts.loop.watch(fd, epoll.in, this);
    const idle = parts.idleMs ?? idleMs;
    this.#sweep = setInterval(() => this.#expire(performance.now() - idle), idle / 4).unref();
  }

  get active(): number {
    return this.#sessions.size;
  }

  /** Datagrams that come one after the other from one client go on with one call. */
  ready(): void {
    const { datagrams } = this.parts;
    const count = datagrams.receive(this.fd);
    const now = performance.now();
    let current: Session | undefined;
    let start = 0;
    const passOn = (end: number): void => {
      if (current !== undefined) datagrams.pass(current.socket, start, end);
      start = end;
    };
    for (let index = 0; index < count; index += 1) {
      const key = addressKey(datagrams.names, index * nameBytes, this.#family);
      const session = this.#sessions.get(key);
      if (session === undefined || session !== current) {
        // First, since a new session may take the place, and the descriptor, of an old one.
        passOn(index);
        current = session ?? this.#begin(key, index);
        if (current !== undefined) current.lastUsed = now;
      }
      if (session !== undefined) this.#noteAddress(session, index);
    }
    passOn(count);
  }

  /** Answers could not leave from the port any more. */
  stopListening(): void {
    this.close();
  }

  close(): void {
    clearInterval(this.#sweep);
    this.parts.loop.close(this.fd);
    for (const [key, session] of this.#sessions) this.#end(key, session);
  }

  /** Answers come from the address that the client has asked last. */
  #noteAddress(session: Session, index: number): void {
    const { datagrams, packetInfo } = this.parts;
    const offset = index * controlBytes;
    if (packetInfo.isReplyTo(session.control, datagrams.controls, offset, this.#family)) return;
    session.control = this.#replyControl(index);
  }

  /** undefined if there can be none now: the datagram is lost. */
  #begin(key: number | string, index: number): Session | undefined {
    const { loop, datagrams } = this.parts;
    if (this.#sessions.size >= maxSessions) this.#endOldest();
    const socket = this.#connect();
    if (socket === undefined) return undefined;
    const start = index * nameBytes;
    const name = datagrams.names.subarray(start, start + addressLength[this.#family]);
    const control = this.#replyControl(index);
    const session = new Session(this.parts, this.fd, socket, Buffer.from(name), control);
    try {
      loop.watch(socket, epoll.in, session);
    } catch (error) {
      loop.close(socket);
      throw error;
    }
    this.#sessions.set(key, session);
    return session;
  }

  /** If there is no descriptor left, in place of the oldest session. */
  #connect(): number | undefined {
    this.#container ??= socketAddress(this.binding.containerIp, this.binding.containerPort);
    const socket = this.parts.sockets.connectTo('udp', this.#container);
    if (typeof socket === 'number') return socket;
    if (socket.code !== 'EMFILE' || !this.#endOldest()) return undefined;
    const again = this.parts.sockets.connectTo('udp', this.#container);
    return typeof again === 'number' ? again : undefined;
  }

  #replyControl(index: number): Buffer {
    const { datagrams, packetInfo } = this.parts;
    const offset = index * controlBytes;
    const length = datagrams.controlLength(index);
    return packetInfo.toReplyWith(datagrams.controls, offset, length, this.#family);
  }

  #endOldest(): boolean {
    const [oldest] = this.#sessions;
    if (oldest !== undefined) this.#end(...oldest);
    return oldest !== undefined;
  }

  #expire(before: number): void {
    for (const [key, session] of this.#sessions) {
      if (session.lastUsed < before) this.#end(key, session);
    }
  }

  #end(key: number | string, session: Session): void {
    this.#sessions.delete(key);
    this.parts.loop.close(session.socket);
  }
}
