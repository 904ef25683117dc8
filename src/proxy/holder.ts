/** The sockets of the proxy process, by owner. */
import { hostAndPort } from '../core/ports/port.js';
import type { Listener } from '../driver/host.js';
import type { ConnectionCount } from './admission.js';
import { toWire, type WireFailure, type WireListener, wireReader } from './control.js';
import type { Forwarder } from './forwarder.js';
import { SctpForwarder } from './sctp-forwarder.js';
import { Unwatchable } from './system/event-loop.js';
import type { CallFailure } from './system/system-calls.js';
import { TcpForwarder, type TcpParts } from './tcp-forwarder.js';
import type { FlowsOfOwner } from './udp-flows.js';
import { UdpForwarder, type UdpParts } from './udp-forwarder.js';

export type HolderParts = TcpParts & UdpParts;

const keyOf = ({ binding, mode }: Listener): string => {
  const { protocol, hostIp, hostPort, containerIp, containerPort } = binding;
  const to = mode === 'forward' ? hostAndPort(containerIp, containerPort) : 'reserved';
  return `${protocol} ${hostAndPort(hostIp, hostPort)} ${to}`;
};

/** A listening socket, as one process gives it to the next. */
export interface HeldSocket {
  readonly owner: string;
  readonly wire: WireListener;
  readonly fd: number;
}

interface Held {
  readonly wire: WireListener;
  readonly forwarder: Forwarder;
}

/** The ports of one endpoint of a container, and how many descriptors their connections use. */
class Owner implements ConnectionCount {
  readonly held = new Map<string, Held>();
  readonly flows: FlowsOfOwner = new Set();
  connections = 0;
}

export class Holder {
  readonly #owners = new Map<string, Owner>();

  constructor(private readonly parts: HolderParts) {}

  get listeners(): number {
    return this.parts.admission.listeners;
  }

  get connections(): number {
    let sum = 0;
    for (const { held } of this.#owners.values()) {
      for (const { forwarder } of held.values()) sum += forwarder.active;
    }
    return sum;
  }

  list(): Record<string, WireListener[]> {
    return Object.fromEntries(
      [...this.#owners].map(([name, { held }]) => [name, [...held.values()].map((h) => h.wire)]),
    );
  }

  /** All listening sockets, for another process to get duplicates. This one goes on serving them. */
  sockets(): HeldSocket[] {
    return [...this.#owners].flatMap(([owner, { held }]) =>
      [...held.values()].map(({ wire, forwarder }) => ({ owner, wire, fd: forwarder.fd })),
    );
  }

  /** Takes a socket that is bound already, in place of opening one. Closes it if that fails. */
  adopt({ owner: name, wire, fd }: HeldSocket): void {
    const owner = this.#owners.get(name) ?? new Owner();
    const listener = wireReader()(wire);
    const forwarder = this.#use(fd, listener, owner);
    if ('code' in forwarder) throw new Error(`${forwarder.syscall}: ${forwarder.code}`);
    this.#owners.set(name, owner);
    this.#keep(owner, listener, forwarder);
  }

  /** Opens those that the owner does not have yet, as many as can be had. */
  open(name: string, listeners: readonly WireListener[]): WireFailure[] {
    const owner = this.#owners.get(name) ?? new Owner();
    this.#owners.set(name, owner);
    const read = wireReader();
    const failures: WireFailure[] = [];
    for (const [index, wire] of listeners.entries()) {
      const listener = read(wire);
      const key = keyOf(listener);
      if (owner.held.has(key)) continue;
      const opened = this.#open(listener, owner);
      if ('code' in opened) failures.push([index, opened.code, opened.syscall]);
      else this.#keep(owner, listener, opened);
    }
    if (owner.held.size === 0) this.#owners.delete(name);
    return failures;
  }

  /** Without `listeners`: all of the owner's. */
  close(name: string, listeners?: readonly WireListener[]): void {
    const owner = this.#owners.get(name);
    if (owner === undefined) return;
    const read = wireReader();
    const keys = listeners?.map((wire) => keyOf(read(wire))) ?? [...owner.held.keys()];
    for (const key of keys) this.#close(owner, key);
    if (owner.held.size === 0) this.#owners.delete(name);
  }

  /** Holds exactly these listeners, keeping open what it has. The index of a failure counts over all owners. */
  sync(owners: Readonly<Record<string, readonly WireListener[]>>): WireFailure[] {
    const read = wireReader();
    const wanted = new Map(Object.entries(owners));
    for (const [name, owner] of this.#owners) {
      const keep = new Set((wanted.get(name) ?? []).map((wire) => keyOf(read(wire))));
      for (const key of owner.held.keys()) if (!keep.has(key)) this.#close(owner, key);
      if (owner.held.size === 0) this.#owners.delete(name);
    }
    const failures: WireFailure[] = [];
    let offset = 0;
    for (const [name, listeners] of wanted) {
      for (const [index, code, syscall] of this.open(name, listeners)) {
        failures.push([offset + index, code, syscall]);
      }
      offset += listeners.length;
    }
    return failures;
  }

  pauseUdp(names: readonly string[]): void {
    for (const forwarder of this.#of(names)) forwarder.pause?.();
  }

  resumeUdp(names: readonly string[]): void {
    for (const forwarder of this.#of(names)) forwarder.resume?.();
  }

  #of(names: readonly string[]): Forwarder[] {
    return names.flatMap((name) =>
      [...(this.#owners.get(name)?.held.values() ?? [])].map(({ forwarder }) => forwarder),
    );
  }

  /** Gives all ports back; connections go on until they end. */
  release(): void {
    for (const { held } of this.#owners.values()) {
      for (const { forwarder } of held.values()) forwarder.stopListening();
    }
  }

  #keep(owner: Owner, listener: Listener, forwarder: Forwarder): void {
    owner.held.set(keyOf(listener), { wire: toWire(listener), forwarder });
    this.parts.admission.listeners += 1;
  }

  #close(owner: Owner, key: string): void {
    const forwarder = owner.held.get(key)?.forwarder;
    if (forwarder === undefined) return;
    owner.held.delete(key);
    this.parts.admission.listeners -= 1;
    forwarder.close();
  }

  #open(listener: Listener, owner: Owner): Forwarder | CallFailure {
    const fd = this.parts.sockets.open(listener.binding, listener.sharing);
    return typeof fd === 'number' ? this.#use(fd, listener, owner) : fd;
  }

  /** Closes the socket if it cannot be used. */
  #use(fd: number, listener: Listener, owner: Owner): Forwarder | CallFailure {
    try {
      return this.#forward(fd, listener, owner);
    } catch (error) {
      this.parts.loop.close(fd);
      if (error instanceof Unwatchable) return error.failure;
      throw error;
    }
  }

  #forward(fd: number, { binding, mode }: Listener, owner: Owner): Forwarder {
    if (mode === 'reserve') return this.#reserve(fd);
    if (binding.protocol === 'tcp') return new TcpForwarder(this.parts, fd, binding, owner);
    if (binding.protocol === 'udp') return new UdpForwarder(this.parts, fd, binding, owner.flows);
    return new SctpForwarder(this.parts, fd, binding, owner);
  }

  #reserve(fd: number): Forwarder {
    const close = (): void => this.parts.sockets.close(fd);
    return { fd, active: 0, stopListening: close, close };
  }
}
