/**
 * IP forwarding, and the FORWARD policy that goes with switching it on (docs/docker-bridge.md 1.7).
 */
import type { Family } from '../../core/address.js';
import type { NetworkSpec } from '../../core/network/network.js';
import {
  ipForward,
  ipv6ForwardAll,
  ipv6ForwardDefault,
  type SysctlPath,
} from '../../core/network/sysctls.js';
import type { World } from '../world.js';

export const forwardingPaths: Readonly<Record<Family, readonly SysctlPath[]>> = {
  4: [ipForward],
  6: [ipv6ForwardDefault, ipv6ForwardAll],
};

/**
 * Switches forwarding on for the families of the network. If it was off, the policy of FORWARD becomes
 * DROP, so that the host does not begin to route for its neighbours.
 */
export async function ensureForwarding(
  world: Pick<World, 'rules' | 'sysctls'>,
  network: NetworkSpec,
): Promise<void> {
  if (!network.ipForward) return;
  for (const family of [4, 6] as const) {
    if ((family === 4 ? network.ipv4 : network.ipv6) === undefined) continue;
    let changed = false;
    for (const path of forwardingPaths[family]) {
      if ((await world.sysctls.read(path)) === '1') continue;
      changed = (await world.sysctls.write(path, '1')) || changed;
    }
    if (changed && !network.ipForwardNoDrop) await world.rules.dropForwarded(family);
  }
}
