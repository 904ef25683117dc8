/** The kinds of rules that a network's next published ports will have, so that their bytes can be learned before. */
import { anyIpv4, anyIpv6, type Family } from '../address.js';
import { familyIn, type NetworkSpec } from '../network/network.js';
import type { Port } from '../ports/port.js';
import type { Rule } from '../rules/rule.js';
import type { FirewallSettings, Generation } from './generation.js';

/** A port for rules of which only the kind matters. */
const anyPort = 1 as Port;

/** @param families those in which the daemon writes rules of the network */
export function foreseenPorts(
  network: NetworkSpec,
  {
    generation,
    settings,
  }: { readonly generation: Generation; readonly settings: FirewallSettings },
  families: readonly Family[],
): Rule[] {
  return families.flatMap((family) => {
    const subnet = familyIn(network, family)?.subnet;
    if (subnet === undefined) return [];
    return (['tcp', 'udp'] as const)
      .flatMap((protocol) => {
        const opened = { protocol, containerIp: subnet.address, containerPort: anyPort };
        const hostIp = family === 4 ? anyIpv4 : anyIpv6;
        return [
          ...generation.portRules(network, { ...opened, hostIp, hostPort: anyPort }, settings),
          ...(generation.routedPortRules?.(network, opened) ?? []),
        ];
      })
      .map(({ rule }) => rule);
  });
}
