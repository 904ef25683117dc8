/**
 * How the engine of each generation binds the socket of a UDP port, where that decides whether it can be
 * had (docs/docker-bridge.md 3.6).
 */
import { addressBytes, familyOf, isUnspecified } from '../address.js';
import type { PortBinding } from '../ports/port.js';
import type { GenerationName } from './generation.js';

/**
 * `if-held`: together with a program that lets others have the port, too (SO_REUSEADDR), if it has it
 * already; `any-address`: on all addresses of the family, with programs that let others have it.
 */
export type Sharing = 'if-held' | 'any-address';

/**
 * Up to 27 the socket is Go's, which has none for a multicast address; 28 sets SO_REUSEADDR on all its
 * UDP sockets, 29 no longer.
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
 * already: then the socket that holds it is no other program's, but an engine's own.
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
