/** Which work on an endpoint waits for which other one. */
import type { World } from '../world.js';

/** Alone among all that changes the endpoint, and beside what changes others of its network. */
export function onEndpoint<T>(
  { networkLocks, endpointLocks }: Pick<World, 'networkLocks' | 'endpointLocks'>,
  network: string,
  endpoint: string,
  work: () => Promise<T>,
): Promise<T> {
  return networkLocks.shared(network, () => endpointLocks.exclusive(endpoint, work));
}
