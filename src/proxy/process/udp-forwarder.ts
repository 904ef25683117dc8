/** A published UDP port: each client has a socket of its own to the container. */
import { type Family, familyOf } from '../../core/address.js';
import type { PortBinding } from '../../core/ports/port.js';
import { type Datagrams, nameBytes } from './datagrams.js';
import type { Forwarder } from './forwarder.js';
import { type EventLoop, epoll, type Watcher } from './system/event-loop.js';
import { controlBytes, type PacketInfo } from './system/packet-info.js';
import type { Sockets } from './system/socket.js';
import { addressKey, addressLength, socketAddress } from './system/socket-address.js';
import type { Flow, FlowsOfOwner, UdpFlows } from './udp-flows.js';

/** A pause ends after this time, even if the daemon crashed before it could end it. */
const longestPauseMs = 2_000;
/** Rounds of 64 datagrams: more than a socket's buffer holds. */
const drainRounds = 64;
/** What the kernel answers when descriptors, or the host's ephemeral ports, have run out. */
const scarcity = ['EMFILE', 'ENFILE', 'EAGAIN', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM'];

/** What all UDP forwarders of the process share. */
export interface UdpParts {
  readonly loop: EventLoop;
  readonly sockets: Sockets;
  readonly datagrams: Datagrams;
  readonly packetInfo: PacketInfo;
  readonly flows: UdpFlows;
}

/** One client and its socket to the container. */
class Session implements Watcher, Flow {
  lastUsed = performance.now();

  constructor(
    private readonly forwarder: UdpForwarder,
    readonly key: number | string,
    readonly socket: number,
    readonly client: Buffer,
    /** What makes answers come from the address that the client has asked. */
    public control: Buffer,
  ) {}

  ready(): void {
    this.forwarder.answer(this);
  }

  end(): void {
    this.forwarder.forget(this);
  }
}

export class UdpForwarder implements Forwarder, Watcher {
  /** Made for the first client. */
  #container: Uint8Array | undefined;
  readonly #family: Family;
  readonly #sessions = new Map<number | string, Session>();
  #pausedUntil = 0;

  /** `fd` is bound; it belongs to the forwarder from here on. */
  constructor(
    private readonly parts: UdpParts,
    readonly fd: number,
    private readonly binding: PortBinding,
    /** Those of all ports of the container. */
    private readonly owner: FlowsOfOwner,
  ) {
    this.#family = familyOf(binding.hostIp);
    parts.sockets.receivePacketInfo(fd, this.#family);
    parts.loop.watch(fd, epoll.in, this);
  }

  get active(): number {
    return this.#sessions.size;
  }

  /** Datagrams that come one after the other from one client go on with one call. */
  ready(): void {
    const { datagrams, flows } = this.parts;
    const count = datagrams.receive(this.fd);
    if (this.#pausedUntil > 0 && performance.now() < this.#pausedUntil) return;
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
        // Before `#begin`, since a new session may end an old one and get its descriptor.
        passOn(index);
        current = session ?? this.#begin(key, index);
        if (current !== undefined) flows.use(this.owner, current);
      }
      if (session !== undefined) this.#noteAddress(session, index);
    }
    passOn(count);
  }

  /** Ends the flows, too: their answers have to leave from the port. */
  stopListening(): void {
    this.close();
  }

  close(): void {
    this.parts.loop.close(this.fd);
    this.#endAll();
  }

  pause(): void {
    this.#pausedUntil = performance.now() + longestPauseMs;
    this.#endAll();
  }

  /** Drops the datagrams that came during the pause, then serves the port again. */
  resume(): void {
    for (let round = 0; round < drainRounds; round += 1) {
      if (this.parts.datagrams.receive(this.fd) === 0) break;
    }
    this.#pausedUntil = 0;
  }

  /** Hands on what has come from the container for one client. */
  answer(session: Session): void {
    const { datagrams, flows } = this.parts;
    const { socket, client, control } = session;
    if (datagrams.reply(socket, this.fd, client, control) > 0) flows.use(this.owner, session);
  }

  forget({ key, socket }: Session): void {
    this.#sessions.delete(key);
    this.parts.loop.close(socket);
  }

  #endAll(): void {
    for (const session of this.#sessions.values()) {
      this.parts.flows.remove(this.owner, session);
      session.end();
    }
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
    const { loop, datagrams, flows } = this.parts;
    flows.makeRoom(this.owner);
    const socket = this.#connect();
    if (socket === undefined) return undefined;
    const start = index * nameBytes;
    const name = datagrams.names.subarray(start, start + addressLength[this.#family]);
    const session = new Session(this, key, socket, Buffer.from(name), this.#replyControl(index));
    try {
      loop.watch(socket, epoll.in, session);
    } catch (error) {
      loop.close(socket);
      throw error;
    }
    this.#sessions.set(key, session);
    flows.add(this.owner, session);
    return session;
  }

  /** A socket to the container. If the kernel refuses one more, another flow is ended first. */
  #connect(): number | undefined {
    const { sockets, flows } = this.parts;
    this.#container ??= socketAddress(this.binding.containerIp, this.binding.containerPort);
    const socket = sockets.connectTo('udp', this.#container);
    if (typeof socket === 'number') return socket;
    if (!scarcity.includes(socket.code) || !flows.endOne(this.owner)) return undefined;
    const again = sockets.connectTo('udp', this.#container);
    return typeof again === 'number' ? again : undefined;
  }

  #replyControl(index: number): Buffer {
    const { datagrams, packetInfo } = this.parts;
    const offset = index * controlBytes;
    const length = datagrams.controlLength(index);
    return packetInfo.toReplyWith(datagrams.controls, offset, length, this.#family);
  }
}
