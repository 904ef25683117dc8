/**
 * How the engine of each generation binds the socket of a UDP port, as far as that decides whether binding
 * succeeds (docs/docker-bridge.md 3.6).
 */
import { addressBytes, familyOf, isUnspecified } from '../../address.js';
import type { PortBinding } from '../../ports/port.js';
import type { GenerationName } from '../generation.js';

/**
 * `if-held`: if a program has the port and lets others bind it (SO_REUSEADDR), the engine binds it, too;
 * `any-address`: the engine binds it on all addresses of the family, beside programs that let others do so.
 */
export type Sharing = 'if-held' | 'any-address';

/**
 * Up to 27 the socket is Go's, which binds none to a multicast address; 28 sets SO_REUSEADDR on all its UDP
 * sockets, 29 on none.
 *
 * @returns undefined for a socket on its own address alone
 */
export function sharingOf(generation: GenerationName, binding: PortBinding): Sharing | undefined {
  if (binding.protocol !== 'udp') return undefined;
  if (generation === 'docker28') return 'if-held';
  if (generation === 'docker29') return undefined;
  return isMulticast(binding) ? 'any-address' : undefined;
}

function isMulticast({ hostIp }: PortBinding): boolean {
  const [first = 0] = addressBytes(hostIp);
  return familyOf(hostIp) === 4 ? first >= 224 && first <= 239 : first === 0xff;
}

/**
 * Whether one of these rules of chain DOCKER (table nat) leads datagrams for the port to a container
 * already: then the socket that holds the port belongs to an engine, and must not be shared.
 */
export function isTranslated(rules: readonly string[], binding: PortBinding): boolean {
  const { protocol, hostIp, hostPort } = binding;
  return rules.some((text) => {
    if (!text.includes(' DNAT ') || !text.includes(`-p ${protocol} `)) return false;
    if (!text.includes(`--dport ${hostPort} `)) return false;
    const [, destination] = /(?:^| )-d ([^ /]+)/.exec(text) ?? [];
    return destination === undefined || destination === hostIp || isUnspecified(hostIp);
  });
}
