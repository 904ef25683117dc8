/** UDP flows that lead to a host port, when that changes hands. */
import { familyOf } from '../../core/address.js';
import type { PortBinding } from '../../core/ports/port.js';
import type { World } from '../world.js';

/**
 * By host port alone when ports come: of the container's address there is nothing left since its
 * last holder went, and the kernel walks through its whole table for every look (10 to 20 ms).
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
