/** The sockets of the proxy process, by owner. */
import { familyOf } from '../../core/address.js';
import { hostAndPort } from '../../core/ports/port.js';
import type { Listener } from '../../driver/host.js';
import { toWire, type WireFailure, type WireListener, wireReader } from '../control.js';
import type { ConnectionCount } from './admission.js';
import type { Forwarder } from './forwarder.js';
import { pairOf, pairsIn, Reservation } from './pairs.js';
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
  /** Key of the other half, if one socket serves both; it is held as well. */
  partner: string | undefined;
}

/** The ports of one endpoint of a container, and how many descriptors their connections use. */
class Owner implements ConnectionCount {
  readonly held = new Map<string, Held>();
  /** Halves whose other half was not adopted yet: what they share → key. */
  readonly halves = new Map<string, string>();
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
    for (const { active } of this.#forwarders()) sum += active;
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
    const half = this.parts.sockets.isForBoth(fd) ? pairOf(listener) : undefined;
    const other = half === undefined ? undefined : owner.halves.get(half);
    const held = other === undefined ? undefined : owner.held.get(other);
    if (half !== undefined && held !== undefined) {
      // The other half came with the same socket.
      this.parts.sockets.close(fd);
      held.forwarder.addFamily?.(listener.binding);
      held.partner = keyOf(listener);
      owner.halves.delete(half);
      this.#keep(owner, listener, held.forwarder, other);
      return;
    }
    const forwarder = this.#use(fd, listener, owner, half !== undefined);
    if ('code' in forwarder) throw new Error(`${forwarder.syscall}: ${forwarder.code}`);
    this.#owners.set(name, owner);
    if (half !== undefined) owner.halves.set(half, keyOf(listener));
    this.#keep(owner, listener, forwarder);
  }

  /** Opens those that the owner does not have yet, as many as can be had. */
  open(name: string, listeners: readonly WireListener[]): WireFailure[] {
    const owner = this.#owners.get(name) ?? new Owner();
    this.#owners.set(name, owner);
    const read = wireReader();
    const failures: WireFailure[] = [];
    const all = listeners.map((wire) => read(wire));
    const pairs = pairsIn(all.filter((listener) => !owner.held.has(keyOf(listener))));
    for (const [index, listener] of all.entries()) {
      if (owner.held.has(keyOf(listener))) continue;
      const other = pairs.get(listener);
      if (other !== undefined && this.#openPair(owner, listener, other)) continue;
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
    this.#close(owner, new Set(keys));
    if (owner.held.size === 0) this.#owners.delete(name);
  }

  /** Holds exactly these listeners, keeping open what it has. The index of a failure counts over all owners. */
  sync(owners: Readonly<Record<string, readonly WireListener[]>>): WireFailure[] {
    const read = wireReader();
    const wanted = new Map(Object.entries(owners));
    for (const [name, owner] of this.#owners) {
      const keep = new Set((wanted.get(name) ?? []).map((wire) => keyOf(read(wire))));
      this.#close(owner, new Set([...owner.held.keys()].filter((key) => !keep.has(key))));
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
    for (const forwarder of this.#forwarders()) forwarder.stopListening();
  }

  /** Each once, also those of two listeners. */
  #forwarders(): Set<Forwarder> {
    const all = [...this.#owners.values()].flatMap(({ held }) => [...held.values()]);
    return new Set(all.map(({ forwarder }) => forwarder));
  }

  #keep(owner: Owner, listener: Listener, forwarder: Forwarder, partner?: string): void {
    owner.held.set(keyOf(listener), { wire: toWire(listener), forwarder, partner });
    this.parts.admission.listeners += 1;
  }

  #close(owner: Owner, keys: ReadonlySet<string>): void {
    for (const key of keys) {
      const held = owner.held.get(key);
      if (held === undefined) continue;
      this.#forget(owner, key);
      const { forwarder, partner } = held;
      if (partner === undefined) forwarder.close();
      else if (!keys.has(partner)) this.#keepHalf(owner, partner);
      else {
        this.#forget(owner, partner);
        forwarder.close();
      }
    }
  }

  #forget(owner: Owner, key: string): void {
    const held = owner.held.get(key);
    if (held === undefined) return;
    owner.held.delete(key);
    for (const [half, known] of owner.halves) if (known === key) owner.halves.delete(half);
    this.parts.admission.listeners -= 1;
  }

  /**
   * A socket for both families is bound anew for the one that stays. If another program is faster, the port is not
   * held, which the daemon finds and repairs.
   */
  #keepHalf(owner: Owner, key: string): void {
    const held = owner.held.get(key);
    if (held === undefined) return;
    const { binding } = wireReader()(held.wire);
    held.forwarder.stopListening();
    const fd = this.parts.sockets.open(binding);
    if (typeof fd === 'number') {
      held.forwarder.keepFamily?.(familyOf(binding.hostIp), fd);
      held.partner = undefined;
    } else {
      this.#forget(owner, key);
      held.forwarder.close();
    }
  }

  /** false: it cannot be had, and each half by itself tells why. */
  #openPair(owner: Owner, one: Listener, other: Listener): boolean {
    const { protocol, hostPort } = one.binding;
    const fd = this.parts.sockets.openForBoth(protocol, hostPort);
    if (typeof fd !== 'number') return false;
    const forwarder = this.#use(fd, one, owner, true);
    if ('code' in forwarder) return false;
    forwarder.addFamily?.(other.binding);
    this.#keep(owner, one, forwarder, keyOf(other));
    this.#keep(owner, other, forwarder, keyOf(one));
    return true;
  }

  #open(listener: Listener, owner: Owner): Forwarder | CallFailure {
    const fd = this.parts.sockets.open(listener.binding, listener.sharing);
    return typeof fd === 'number' ? this.#use(fd, listener, owner) : fd;
  }

  /** Closes the socket if it cannot be used. */
  #use(fd: number, listener: Listener, owner: Owner, both = false): Forwarder | CallFailure {
    try {
      return this.#forward(fd, listener, owner, both);
    } catch (error) {
      this.parts.loop.close(fd);
      if (error instanceof Unwatchable) return error.failure;
      throw error;
    }
  }

  #forward(fd: number, { binding, mode }: Listener, owner: Owner, both: boolean): Forwarder {
    if (mode === 'reserve') return new Reservation(this.parts.sockets, fd);
    if (binding.protocol === 'tcp') return new TcpForwarder(this.parts, fd, binding, owner, both);
    if (binding.protocol === 'udp') return new UdpForwarder(this.parts, fd, binding, owner.flows);
    return new SctpForwarder(this.parts, fd, binding, owner);
  }
}
