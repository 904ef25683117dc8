/** Which bridges belong into firewalld's zone. */
import { isManaged, type NetworkSpec } from '../../core/network/network.js';
import type { World } from '../world.js';

/**
 * Whether the bridge belongs into firewalld's zone `docker`. Those of internal networks do from 28 on; up to 27 no
 * packet of theirs passes the host. An unmanaged bridge stays in the zone that its owner gives it.
 */
export function isZoned({ rules }: Pick<World, 'rules'>, network: NetworkSpec): boolean {
  const recent = rules.generationName === 'docker28' || rules.generationName === 'docker29';
  return isManaged(network) && (!network.internal || recent);
}
