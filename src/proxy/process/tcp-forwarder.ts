/** A published TCP port: each client's connection is joined to one to the container. */
import { type Family, familyOf } from '../../core/address.js';
import type { PortBinding } from '../../core/ports/port.js';
import type { Admission, ConnectionCount, Pausable } from './admission.js';
import type { Forwarder } from './forwarder.js';
import { Relay, type RelayParts } from './relay.js';
import { epoll, type Watcher } from './system/event-loop.js';
import { socketAddress } from './system/socket-address.js';
import { type CallFailure, errors } from './system/system-calls.js';

/** A container that does not answer a SYN must not keep clients for ever. */
const connectTimeoutMs = 10_000;
/** Connections that are taken before others have their turn. */
const acceptedAtOnce = 16;

/** What all TCP forwarders of the process share. */
export interface TcpParts extends RelayParts {
  readonly admission: Admission;
  readonly dialing: Dialing;
}

/** Relays whose connection to the container is not there yet, the oldest first. */
export class Dialing {
  readonly #since = new Map<Relay, number>();

  constructor(timeoutMs = connectTimeoutMs) {
    setInterval(() => this.#expire(performance.now() - timeoutMs), timeoutMs / 10).unref();
  }

  add(relay: Relay): void {
    this.#since.set(relay, performance.now());
  }

  delete(relay: Relay): void {
    this.#since.delete(relay);
  }

  #expire(before: number): void {
    for (const [relay, since] of this.#since) {
      if (!relay.connected && since > before) return;
      this.#since.delete(relay);
      if (!relay.connected) relay.abort();
    }
  }
}

/** What becomes of the clients of one family. */
interface Side {
  readonly binding: PortBinding;
  /** `struct sockaddr`; made for the first client. */
  container: Uint8Array | undefined;
}

export class TcpForwarder implements Forwarder, Watcher, Pausable {
  /** By the family of the client: two, if the socket is for both. */
  readonly #sides = new Map<Family, Side>();
  readonly #relays = new Map<Relay, Family | undefined>();
  #fd: number;
  /** Whether the socket takes clients of both families. */
  #both: boolean;
  #listening = true;
  /** true: all connections that are accepted from now on inherit their options from the listening socket. */
  #inherited = false;

  /** `fd` is bound and listening; it belongs to the forwarder from here on. */
  constructor(
    private readonly parts: TcpParts,
    fd: number,
    binding: PortBinding,
    readonly owner: ConnectionCount,
    both = false,
  ) {
    this.#fd = fd;
    this.#both = both;
    this.addFamily(binding);
    parts.loop.watch(fd, epoll.in, this);
  }

  get fd(): number {
    return this.#fd;
  }

  get active(): number {
    return this.#relays.size;
  }

  addFamily(binding: PortBinding): void {
    this.#sides.set(familyOf(binding.hostIp), { binding, container: undefined });
  }

  keepFamily(family: Family, fd: number): void {
    for (const each of this.#sides.keys()) if (each !== family) this.#sides.delete(each);
    for (const [relay, of] of [...this.#relays]) if (of !== family) relay.close();
    this.stopListening();
    this.#fd = fd;
    this.#both = false;
    this.#inherited = false;
    this.parts.loop.watch(fd, epoll.in, this);
    this.#listening = true;
  }

  ready(): void {
    const { sockets, system, admission } = this.parts;
    // Not before the first client: of thousands of ports, most never have one.
    if (!this.#inherited) sockets.setConnectionOptions(this.fd);
    for (let count = 0; count < acceptedAtOnce; count += 1) {
      const client = this.#both ? sockets.acceptFromBoth(this.fd) : sockets.accept(this.fd);
      if (client >= 0) {
        if (!this.#inherited) sockets.setConnectionOptions(client);
        this.#join(client);
        if (!admission.isFull(client, this.owner)) continue;
      } else if (!isScarcity(system.errno())) {
        // The queue is empty, so all later connections have come after the options were set.
        if (system.errno() === errors.EAGAIN) this.#inherited = true;
        return;
      }
      this.parts.loop.rewatch(this.fd, 0);
      admission.pause(this);
      return;
    }
  }

  resume(): void {
    if (this.#listening) this.parts.loop.rewatch(this.fd, epoll.in);
  }

  stopListening(): void {
    if (this.#listening) this.parts.loop.close(this.fd);
    this.#listening = false;
  }

  close(): void {
    this.stopListening();
    for (const relay of [...this.#relays.keys()]) relay.close();
  }

  #join(client: number): void {
    const { sockets, loop, dialing, counts } = this.parts;
    const [only] = this.#sides.keys();
    const family = this.#both ? sockets.peerFamily : only;
    const upstream = this.#connect(family);
    if (typeof upstream !== 'number') {
      counts.refused += 1;
      sockets.resetOnClose(client);
      loop.close(client);
      return;
    }
    const relay = new Relay(this.parts, client, upstream, () => {
      if (this.#relays.delete(relay)) this.owner.connections -= 1;
      dialing.delete(relay);
    });
    this.#relays.set(relay, family);
    this.owner.connections += 1;
    dialing.add(relay);
    counts.accepted += 1;
    relay.begin();
  }

  /** A connection to the container of the family's clients; undefined if it has none. */
  #connect(family: Family | undefined): number | CallFailure | undefined {
    const side = family === undefined ? undefined : this.#sides.get(family);
    if (side === undefined) return undefined;
    const { containerIp, containerPort } = side.binding;
    side.container ??= socketAddress(containerIp, containerPort);
    return this.parts.sockets.connectTo('tcp', side.container);
  }
}

/** Any other error is EAGAIN (no connection waits) or one of the connection itself. */
function isScarcity(errno: number): boolean {
  return [errors.EMFILE, errors.ENFILE, errors.ENOBUFS, errors.ENOMEM].includes(errno);
}
