/** Why the kernel does not route a packet, in words. */
import type { RouteQuestion } from '../facts.js';

const words: Readonly<Record<string, string>> = {
  ENETUNREACH: 'there is no route',
  EHOSTUNREACH: 'the host does not forward, or the route says unreachable',
  EINVAL: 'the source is refused: reverse path filter, or an address that nobody may send from',
  EXDEV: 'the source is refused: reverse path filter',
  EACCES: 'a route prohibits it',
};

/**
 * Says in words why the kernel has no route for a packet.
 *
 * @param code the errno with which the kernel answered the question for the route
 * @returns undefined for an errno that has another meaning than a missing route
 */
export function noRouteWords(
  code: string,
  {
    inInterface,
    source,
    destination,
  }: Pick<RouteQuestion, 'inInterface' | 'source' | 'destination'>,
): string | undefined {
  const loopback = [destination, source].find((address) => address?.startsWith('127.') === true);
  if (code === 'EINVAL' && inInterface !== undefined && loopback !== undefined) {
    return `${loopback} passes only where net.ipv4.conf.${inInterface}.route_localnet is 1`;
  }
  return words[code];
}

/** Why an IPv6 packet is lost that the host would have to forward, while forwarding is off for the whole host. */
export const noForwarding6 = 'the host does not forward: net.ipv6.conf.all.forwarding is 0';
