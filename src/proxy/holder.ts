/** The sockets of the proxy process, by owner. */
import { hostAndPort } from '../core/ports/port.js';
import type { Listener } from '../driver/host.js';
import { type WireFailure, type WireListener, wireReader } from './control.js';
import type { Forwarder } from './forwarder.js';
import { SctpForwarder } from './sctp-forwarder.js';
import { Unwatchable } from './system/event-loop.js';
import type { CallFailure } from './system/system-calls.js';
import { TcpForwarder, type TcpParts } from './tcp-forwarder.js';
import { UdpForwarder, type UdpParts } from './udp-forwarder.js';

export type HolderParts = TcpParts & UdpParts;

const keyOf = ({ binding, mode }: Listener): string => {
  const { protocol, hostIp, hostPort, containerIp, containerPort } = binding;
  const to = mode === 'forward' ? hostAndPort(containerIp, containerPort) : 'reserved';
  return `${protocol} ${hostAndPort(hostIp, hostPort)} ${to}`;
};

export class Holder {
  readonly #owners = new Map<string, Map<string, Forwarder>>();

  constructor(private readonly parts: HolderParts) {}

  get listeners(): number {
    return [...this.#owners.values()].reduce((sum, held) => sum + held.size, 0);
  }

  get connections(): number {
    let sum = 0;
    for (const held of this.#owners.values()) for (const { active } of held.values()) sum += active;
    return sum;
  }

  /** Opens those that the owner does not have yet, as many as can be had. */
  open(owner: string, listeners: readonly WireListener[]): WireFailure[] {
    const held = this.#owners.get(owner) ?? new Map<string, Forwarder>();
    this.#owners.set(owner, held);
    const read = wireReader();
    const failures: WireFailure[] = [];
    for (const [index, wire] of listeners.entries()) {
      const listener = read(wire);
      const key = keyOf(listener);
      if (held.has(key)) continue;
      const opened = this.#open(listener);
      if ('code' in opened) failures.push([index, opened.code, opened.syscall]);
      else held.set(key, opened);
    }
    if (held.size === 0) this.#owners.delete(owner);
    return failures;
  }

  /** Without `listeners`: all of the owner's. */
  close(owner: string, listeners?: readonly WireListener[]): void {
    const held = this.#owners.get(owner);
    if (held === undefined) return;
    const read = wireReader();
    const keys = listeners?.map((wire) => keyOf(read(wire))) ?? [...held.keys()];
    for (const key of keys) {
      held.get(key)?.close();
      held.delete(key);
    }
    if (held.size === 0) this.#owners.delete(owner);
  }

  /** Exactly these, keeping what is held already. The index of a failure counts over all owners. */
  sync(owners: Readonly<Record<string, readonly WireListener[]>>): WireFailure[] {
    const read = wireReader();
    const wanted = new Map(Object.entries(owners));
    for (const [owner, held] of this.#owners) {
      const keep = new Set((wanted.get(owner) ?? []).map((wire) => keyOf(read(wire))));
      for (const [key, forwarder] of held) {
        if (keep.has(key)) continue;
        forwarder.close();
        held.delete(key);
      }
    }
    const failures: WireFailure[] = [];
    let offset = 0;
    for (const [owner, listeners] of wanted) {
      for (const [index, code, syscall] of this.open(owner, listeners)) {
        failures.push([offset + index, code, syscall]);
      }
      offset += listeners.length;
    }
    return failures;
  }

  /** Gives all ports back; connections go on until they end. */
  release(): void {
    for (const held of this.#owners.values()) {
      for (const forwarder of held.values()) forwarder.stopListening();
    }
  }

  #open(listener: Listener): Forwarder | CallFailure {
    const fd = this.parts.sockets.open(listener.binding);
    if (typeof fd !== 'number') return fd;
    try {
      return this.#forward(fd, listener);
    } catch (error) {
      this.parts.loop.close(fd);
      if (error instanceof Unwatchable) return error.failure;
      throw error;
    }
  }

  #forward(fd: number, { binding, mode }: Listener): Forwarder {
    if (mode === 'reserve') return this.#reserve(fd);
    if (binding.protocol === 'tcp') return new TcpForwarder(this.parts, fd, binding);
    if (binding.protocol === 'udp') return new UdpForwarder(this.parts, fd, binding);
    return new SctpForwarder(this.parts.sockets, fd, binding);
  }

  #reserve(fd: number): Forwarder {
    const close = (): void => this.parts.sockets.close(fd);
    return { active: 0, stopListening: close, close };
  }
}
