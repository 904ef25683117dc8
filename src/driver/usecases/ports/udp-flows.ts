/** Forgets UDP flows to a host port that gets another owner. */
import { familyOf } from '../../../core/address.js';
import type { PortBinding } from '../../../core/ports/port.js';
import type { World } from '../../world.js';

/**
 * Forgets flows by host port alone: those of the container's address were forgotten when its last holder
 * released it, and the kernel walks through its whole table for every dump (10 to 20 ms).
 */
export async function forgetUdpFlows(
  { conntrack }: Pick<World, 'conntrack'>,
  bindings: readonly PortBinding[],
): Promise<void> {
  const udp = bindings
    .filter(({ protocol }) => protocol === 'udp')
    .map(({ hostIp, hostPort }) => ({ family: familyOf(hostIp), port: hostPort }));
  if (udp.length > 0) await conntrack.removeUdpFlowsTo(udp);
}
