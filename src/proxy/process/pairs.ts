/**
 * Ports that are published on all addresses of both families: one socket for both takes half the time of two, and
 * refuses other programs the same ports. UDP ports that are forwarded have two, since the kernel tells a datagram's
 * address in another way for each family; so have SCTP ports, which Node's own sockets serve.
 */
import { anyIpv4, anyIpv6, familyOf } from '../../core/address.js';
import type { Listener } from '../../driver/host.js';
import type { Forwarder } from './forwarder.js';
import type { Sockets } from './system/socket.js';

/** The same for both halves of a pair; undefined for a listener that has a socket of its own. */
export function pairOf({ binding, mode, sharing }: Listener): string | undefined {
  const { protocol, hostIp, hostPort } = binding;
  if (sharing !== undefined || protocol === 'sctp') return undefined;
  if (protocol === 'udp' && mode === 'forward') return undefined;
  if (hostIp !== anyIpv4 && hostIp !== anyIpv6) return undefined;
  return `${protocol} ${hostPort} ${mode}`;
}

/** The listeners that can have one socket for both: each with its other half. */
export function pairsIn(listeners: readonly Listener[]): Map<Listener, Listener> {
  const waiting = new Map<string, Listener>();
  const pairs = new Map<Listener, Listener>();
  for (const listener of listeners) {
    const name = pairOf(listener);
    if (name === undefined) continue;
    const other = waiting.get(name);
    if (other === undefined) waiting.set(name, listener);
    else if (familyOf(other.binding.hostIp) !== familyOf(listener.binding.hostIp)) {
      pairs.set(other, listener);
      waiting.delete(name);
    }
  }
  return pairs;
}

/** Holds a port and takes no client. */
export class Reservation implements Forwarder {
  readonly active = 0;
  #open = true;

  constructor(
    private readonly sockets: Sockets,
    public fd: number,
  ) {}

  addFamily(): void {}

  keepFamily(_family: unknown, fd: number): void {
    this.close();
    this.fd = fd;
    this.#open = true;
  }

  stopListening(): void {
    this.close();
  }

  close(): void {
    if (this.#open) this.sockets.close(this.fd);
    this.#open = false;
  }
}
