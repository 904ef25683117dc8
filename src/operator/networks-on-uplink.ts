/**
 * Networks whose bridge leads to the outside: it carries a NIC of the host, or the default route leaves by it. Docker's
 * rules for them drop what containers of other networks send out there. `tsbridge doctor` finds the same.
 */
import { isManaged, type NetworkSpec, networkLabel } from '../core/network/network.js';
import { nicsAmong } from '../core/network/uplink.js';
import type { World } from '../driver/world.js';
import type { Problem } from './problems.js';

type AskedWorld = Pick<World, 'registry' | 'links' | 'neighbourProxies' | 'settings'>;

/**
 * Asks the kernel for its default routes and, of bridges that others made, for their ports. Whoever makes a NIC a port of a
 * bridge that the driver made moves the default route to it as well. What the kernel does not answer is left out.
 */
export async function networksOnUplink(world: AskedWorld): Promise<Problem[]> {
  const { registry, links, neighbourProxies, settings } = world;
  const networks = registry
    .networks()
    .filter(({ spec }) => settings.iptables && isManaged(spec) && spec.ruleFamilies.length > 0);
  if (networks.length === 0) return [];
  try {
    const leaving = new Map(
      await Promise.all(
        ([4, 6] as const).map(
          async (family) => [family, await neighbourProxies.uplink(family)] as const,
        ),
      ),
    );
    const problems: Problem[] = [];
    for (const { spec, record } of networks) {
      const { bridge, ruleFamilies } = spec;
      if (ruleFamilies.some((family) => leaving.get(family) === bridge)) {
        problems.push(problemOf(spec, `the host's default route leaves by ${bridge}`));
        continue;
      }
      const device = record.bridgeMade ? undefined : await links.find(bridge);
      if (device === undefined) continue;
      const [nic] = nicsAmong(await links.portsOf(device));
      if (nic !== undefined) problems.push(problemOf(spec, `${bridge} carries ${nic}`));
    }
    return problems;
  } catch {
    return [];
  }
}

const problemOf = (spec: NetworkSpec, evidence: string): Problem => ({
  reason: 'network-on-uplink',
  text:
    `network ${networkLabel(spec)}: ${evidence}, and its rules drop what other networks send out there: remove it ` +
    'and make it again with -o tsbridge.bridge=unmanaged (tsbridge doctor network-on-uplink)',
});
