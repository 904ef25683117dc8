/** The host's routes to a container, added when it joins. */
import { DriverError } from '../../core/errors.js';
import { segmentOf } from '../../core/segments/all.js';
import type { EndpointState } from '../state/registry.js';
import type { World } from '../world.js';
import { applyLinkSteps } from './apply.js';

/**
 * Adds the routes that an endpoint asks for.
 *
 * The kernel takes no route by a bridge that is down. Docker's driver lets a container join while somebody has set its
 * bridge down, so a join sets the bridge up itself, in place of the repair that is about to do it.
 *
 * @throws {DriverError} `route-failed`, `route-exists`; `link-failed` if the bridge cannot be set up
 */
export async function addHostRoutes(world: World, state: EndpointState): Promise<void> {
  try {
    await world.hostRoutes.addOfEndpoint(state);
  } catch (error) {
    if (!(error instanceof DriverError) || error.code !== 'route-failed') throw error;
    const { spec } = state.network;
    const bridge = await world.links.find(spec.bridge);
    const steps = bridge === undefined ? [] : segmentOf(spec).planUp(spec, bridge);
    if (steps.length === 0) throw error;
    await applyLinkSteps(world.links, steps);
    await world.hostRoutes.addOfEndpoint(state);
  }
}
