/** The sockets of the proxy process, by owner. */
import { hostAndPort } from '../core/port.js';
import type { Listener } from '../driver/host.js';
import { fromWire, type WireFailure, type WireListener } from './control.js';
import { forwardDatagrams } from './datagram-forwarder.js';
import type { Sockets } from './socket.js';
import { type Forwarder, forwardStreams } from './stream-forwarder.js';

const keyOf = ({ binding, mode }: Listener): string => {
  const { protocol, hostIp, hostPort, containerIp, containerPort } = binding;
  const to = mode === 'forward' ? hostAndPort(containerIp, containerPort) : 'reserved';
  return `${protocol} ${hostAndPort(hostIp, hostPort)} ${to}`;
};

export class Holder {
  readonly #owners = new Map<string, Map<string, Forwarder>>();

  constructor(private readonly sockets: Sockets) {}

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
    const failures: WireFailure[] = [];
    for (const [index, wire] of listeners.entries()) {
      const listener = fromWire(wire);
      const key = keyOf(listener);
      if (held.has(key)) continue;
      const fd = this.sockets.open(listener.binding);
      if (typeof fd === 'number') held.set(key, this.#forward(fd, listener));
      else failures.push([index, fd.code, fd.syscall]);
    }
    if (held.size === 0) this.#owners.delete(owner);
    return failures;
  }

  /** Without `listeners`: all of the owner's. */
  close(owner: string, listeners?: readonly WireListener[]): void {
    const held = this.#owners.get(owner);
    if (held === undefined) return;
    const keys = listeners?.map((wire) => keyOf(fromWire(wire))) ?? [...held.keys()];
    for (const key of keys) {
      held.get(key)?.close();
      held.delete(key);
    }
    if (held.size === 0) this.#owners.delete(owner);
  }

  /** Exactly these, keeping what is held already. The index of a failure counts over all owners. */
  sync(owners: Readonly<Record<string, readonly WireListener[]>>): WireFailure[] {
    const wanted = new Map(Object.entries(owners));
    for (const [owner, held] of this.#owners) {
      const keep = new Set((wanted.get(owner) ?? []).map((wire) => keyOf(fromWire(wire))));
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

  closeAll(): void {
    for (const owner of [...this.#owners.keys()]) this.close(owner);
  }

  #forward(fd: number, { binding, mode }: Listener): Forwarder {
    if (mode === 'reserve') return { close: () => this.sockets.close(fd), active: 0 };
    if (binding.protocol === 'udp') return forwardDatagrams(fd, binding);
    return forwardStreams(fd, binding, this.sockets);
  }
}
