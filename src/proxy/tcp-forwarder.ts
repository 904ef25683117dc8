/** A published TCP port: each client's connection is joined to one to the container. */
import type { PortBinding } from '../core/ports/port.js';
import type { Admission, ConnectionCount, Pausable } from './admission.js';
import type { Forwarder } from './forwarder.js';
import { Relay, type RelayParts } from './relay.js';
import { epoll, type Watcher } from './system/event-loop.js';
import { socketAddress } from './system/socket-address.js';
import { errors } from './system/system-calls.js';

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

export class TcpForwarder implements Forwarder, Watcher, Pausable {
  /** Made for the first client. */
  #container: Uint8Array | undefined;
  readonly #relays = new Set<Relay>();
  #listening = true;
  /** true: all connections that are accepted from now on inherit their options from the listening socket. */
  #inherited = false;

  /** `fd` is bound and listening; it belongs to the forwarder from here on. */
  constructor(
    private readonly parts: TcpParts,
    readonly fd: number,
    private readonly binding: PortBinding,
    readonly owner: ConnectionCount,
  ) {
    parts.loop.watch(fd, epoll.in, this);
  }

  get active(): number {
    return this.#relays.size;
  }

  ready(): void {
    const { system, sockets, admission } = this.parts;
    // Not before the first client: of thousands of ports, most never have one.
    if (!this.#inherited) sockets.setConnectionOptions(this.fd);
    for (let count = 0; count < acceptedAtOnce; count += 1) {
      const client = sockets.accept(this.fd);
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
    for (const relay of [...this.#relays]) relay.close();
  }

  #join(client: number): void {
    const { sockets, loop, dialing } = this.parts;
    this.#container ??= socketAddress(this.binding.containerIp, this.binding.containerPort);
    const upstream = sockets.connectTo('tcp', this.#container);
    if (typeof upstream !== 'number') {
      sockets.resetOnClose(client);
      loop.close(client);
      return;
    }
    const relay = new Relay(this.parts, client, upstream, () => {
      if (this.#relays.delete(relay)) this.owner.connections -= 1;
      dialing.delete(relay);
    });
    this.#relays.add(relay);
    this.owner.connections += 1;
    dialing.add(relay);
    relay.begin();
  }
}

/** Any other error is EAGAIN (no connection waits) or one of the connection itself. */
function isScarcity(errno: number): boolean {
  return [errors.EMFILE, errors.ENFILE, errors.ENOBUFS, errors.ENOMEM].includes(errno);
}
