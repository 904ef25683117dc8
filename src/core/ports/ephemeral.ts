/** The host ports from which one is taken where any will do (`-p 80`, `-P`). */
import type { Port } from './port.js';

/** Inclusive. */
export interface PortRange {
  readonly first: Port;
  readonly last: Port;
}

export interface EphemeralPorts extends PortRange {
  /** Whether the administrator keeps the port for a program (`net.ipv4.ip_local_reserved_ports`). */
  isReserved(port: Port): boolean;
}

/** Docker's default, for a kernel that does not tell its range. */
const defaultRange = { first: 49153, last: 65535 } as PortRange;

/** The text of `/proc/sys/net/ipv4/ip_local_port_range`. */
export function parseEphemeralRange(text: string | undefined): PortRange {
  const [first, last] = (text ?? '').trim().split(/\s+/).map(Number);
  if (!first || !last || first > last || last > 65535) return defaultRange;
  return { first, last } as PortRange;
}

/** @param reserved the text of `/proc/sys/net/ipv4/ip_local_reserved_ports`: `8080,9000-9100` */
export function parseEphemeralPorts(
  range: string | undefined,
  reserved: string | undefined,
): EphemeralPorts {
  const kept = new Set<number>();
  for (const [, from, to] of (reserved ?? '').matchAll(/(\d+)(?:-(\d+))?/g)) {
    const last = Math.min(Number(to ?? from), 65535);
    for (let port = Number(from); port <= last; port += 1) kept.add(port);
  }
  return { ...parseEphemeralRange(range), isReserved: (port) => kept.has(port) };
}
