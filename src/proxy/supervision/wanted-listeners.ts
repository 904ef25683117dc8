/** Which listeners the proxy process is to hold, by owner; pure. */
import type { EndpointId } from '../../core/names.js';
import { hostAndPort } from '../../core/ports/port.js';
import type { Listener, ListenFailure } from '../../driver/host.js';
import { type Reply, toWire, type WireFailure, type WireListener, wireReader } from '../control.js';

/** Leaves out how the port is shared, which matters only when it is opened. */
const keyOf = ([protocol, host, port, container, to, mode]: WireListener): string =>
  `${protocol} ${host} ${port} ${container} ${to} ${mode}`;

export interface Differences {
  /** Held, but not desired; the owner as the process has it. */
  readonly unwanted: readonly { readonly owner: string; readonly listener: Listener }[];
  readonly missing: readonly { readonly owner: EndpointId; readonly listener: Listener }[];
}

export class WantedListeners {
  readonly #owners = new Map<EndpointId, Map<string, Listener>>();

  get empty(): boolean {
    return this.#owners.size === 0;
  }

  replace(wanted: ReadonlyMap<EndpointId, readonly Listener[]>): void {
    this.#owners.clear();
    for (const [owner, listeners] of wanted) this.add(owner, listeners);
  }

  /** Adds what these owners have, as a process reports it. */
  keep(
    kept: ReadonlySet<EndpointId>,
    held: Readonly<Record<string, readonly WireListener[]>>,
  ): void {
    const read = wireReader();
    for (const owner of kept) this.add(owner, (held[owner] ?? []).map(read));
  }

  /** Answers with those that were not there before. */
  add(owner: EndpointId, listeners: readonly Listener[]): Listener[] {
    const held = this.#owners.get(owner) ?? new Map<string, Listener>();
    const added = listeners.filter((listener) => {
      const key = keyOf(toWire(listener));
      const isNew = !held.has(key);
      held.set(key, listener);
      return isNew;
    });
    if (held.size > 0) this.#owners.set(owner, held);
    return added;
  }

  /** Without `listeners`: all of the owner's. */
  remove(owner: EndpointId, listeners?: readonly Listener[]): void {
    const held = this.#owners.get(owner);
    for (const listener of listeners ?? []) held?.delete(keyOf(toWire(listener)));
    if (listeners === undefined || held?.size === 0) this.#owners.delete(owner);
  }

  /** In the order of {@link toOwners}. */
  all(): { owner: EndpointId; listener: Listener }[] {
    return [...this.#owners].flatMap(([owner, held]) =>
      [...held.values()].map((listener) => ({ owner, listener })),
    );
  }

  toOwners(): Record<string, WireListener[]> {
    return Object.fromEntries(
      [...this.#owners].map(([owner, held]) => [owner, [...held.values()].map(toWire)]),
    );
  }

  compare(held: Readonly<Record<string, readonly WireListener[]>>): Differences {
    const read = wireReader();
    const heldKeys = new Map<string, Set<string>>();
    const wanted = new Map<string, ReadonlyMap<string, Listener>>(this.#owners);
    const unwanted: { owner: string; listener: Listener }[] = [];
    for (const [owner, wires] of Object.entries(held)) {
      const keys = new Set<string>();
      heldKeys.set(owner, keys);
      for (const wire of wires) {
        const key = keyOf(wire);
        keys.add(key);
        if (wanted.get(owner)?.has(key) !== true) unwanted.push({ owner, listener: read(wire) });
      }
    }
    const missing = [...this.#owners].flatMap(([owner, listeners]) =>
      [...listeners].flatMap(([key, listener]) =>
        heldKeys.get(owner)?.has(key) === true ? [] : [{ owner, listener }],
      ),
    );
    return { unwanted, missing };
  }
}

/** A line each, for people. */
export function describeDifferences({ unwanted, missing }: Differences): string[] {
  const line = (owner: string, { binding }: Listener): string =>
    `${binding.protocol} ${hostAndPort(binding.hostIp, binding.hostPort)} of endpoint ${owner.slice(0, 12)}`;
  return [
    ...unwanted.map(({ owner, listener }) => `close socket ${line(owner, listener)}`),
    ...missing.map(({ owner, listener }) => `open socket ${line(owner, listener)}`),
  ];
}

/** Which of the listeners that were sent failed, by their index in the request. */
export function failuresOf(
  { failures = [] }: Reply,
  listeners: readonly Listener[],
): ListenFailure[] {
  return failures.flatMap(([index, code, syscall]: WireFailure) => {
    const listener = listeners[index];
    return listener === undefined ? [] : [{ listener, code, syscall }];
  });
}
