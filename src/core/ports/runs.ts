/**
 * `tsbridge.port_rules=compact`: joins consecutive ports to runs, for rules that name a range. The engine
 * sends each port by itself also for `-p 8000-8999:8000-8999`, so that the runs are not in its request.
 *
 * A run with the same numbers on both sides is translated by address alone. A shifted one needs
 * `--to-destination IP:80-1079/8000`, with which the kernel (seen on 6.18) takes the next port of the range
 * if two connections would get equal tuples: a client that uses one source port with two addresses of the
 * host then reaches the container's next port.
 */
import type { IpAddress } from '../address.js';
import type { PortRules } from '../network/network.js';
import type { OpenPort, Port, PortBinding, PortMatch, Protocol } from './port.js';

/** Ports of a container that one set of rules opens. */
export interface OpenRun {
  readonly protocol: Protocol;
  readonly containerIp: IpAddress;
  readonly containerPort: PortMatch;
}

/** Host ports that one set of rules leads to a container: two numbers, or two runs of one length. */
export interface PublishedRun extends OpenRun {
  readonly hostIp: IpAddress;
  readonly hostPort: PortMatch;
}

/** All bindings as runs; a run stands where the first of its bindings stood. */
export function joinBindings(
  bindings: readonly PortBinding[],
  kind: PortRules,
): readonly PublishedRun[] {
  if (!joins(kind)) return bindings;
  const joined = (binding: PortBinding): boolean =>
    binding.protocol !== 'sctp' &&
    (binding.hostPort === binding.containerPort || kind === 'compact-shifted');
  return findRuns(
    bindings,
    (binding) => {
      const { protocol, hostIp, hostPort, containerIp, containerPort } = binding;
      if (!joined(binding)) return undefined;
      return `${protocol} ${hostIp} ${containerIp} ${containerPort - hostPort}`;
    },
    ({ hostPort }) => hostPort,
  ).map(({ first, last }) =>
    first === last
      ? first
      : {
          ...first,
          hostPort: { first: first.hostPort, last: last.hostPort },
          containerPort: { first: first.containerPort, last: last.containerPort },
        },
  );
}

/** The same of ports without a host side (mode `routed`). */
export function joinOpened(opened: readonly OpenPort[], kind: PortRules): readonly OpenRun[] {
  if (!joins(kind)) return opened;
  return findRuns(
    opened,
    ({ protocol, containerIp }) => (protocol === 'sctp' ? undefined : `${protocol} ${containerIp}`),
    ({ containerPort }) => containerPort,
  ).map(({ first, last }) =>
    first === last
      ? first
      : { ...first, containerPort: { first: first.containerPort, last: last.containerPort } },
  );
}

/** Whether ports share rules with their neighbours. */
export const joins = (kind: PortRules): boolean => kind === 'compact' || kind === 'compact-shifted';

export interface Run<T> {
  readonly first: T;
  readonly last: T;
}

/**
 * Runs of consecutive ports among those of equal keys, in the order of `values`; whatever has the
 * key undefined is a run of its own. No two values of one key have the same port.
 */
export function findRuns<T>(
  values: readonly T[],
  keyOf: (value: T) => string | undefined,
  portOf: (value: T) => Port,
): Run<T>[] {
  const byKey = new Map<string, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    if (key === undefined) continue;
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, [value]);
    else known.push(value);
  }
  const lasts = new Map<T, T>();
  const followers = new Set<T>();
  for (const ports of byKey.values()) {
    ports.sort((a, b) => portOf(a) - portOf(b));
    let [first] = ports;
    for (const [index, port] of ports.entries()) {
      const before = ports[index - 1];
      if (before !== undefined && portOf(before) + 1 === portOf(port)) followers.add(port);
      else first = port;
      if (first !== undefined) lasts.set(first, port);
    }
  }
  return values.flatMap((first) =>
    followers.has(first) ? [] : [{ first, last: lasts.get(first) ?? first }],
  );
}
