/** The host's routes to a container: added when it joins, and taken back if the join fails. */
import { DriverError, ErrorList } from '../../core/errors.js';
import { shortId } from '../../core/names.js';
import { segmentOf } from '../../core/segments/all.js';
import type { EndpointState } from '../state/registry.js';
import type { World } from '../world.js';
import { applyLinkSteps } from './apply.js';
import { opensRoutedAtJoin, releasePorts } from './ports/publish.js';

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

/**
 * Takes back what a Join that failed has added: routes, answers to neighbours, ports in mode `routed`. A failure is only
 * logged: the engine deletes the endpoint next, and the deletion tries again.
 */
export async function undoJoin(world: World, state: EndpointState): Promise<void> {
  // The call has repeated a Join that succeeded: what that one has added stays.
  if (state.record.phase === 'ready') return;
  const errors = new ErrorList();
  await errors.attempt(() => world.neighbourProxies.removeOf(state));
  await errors.attempt(() => world.hostRoutes.removeOfEndpoint(state));
  if (opensRoutedAtJoin(world, state)) await errors.attempt(() => releasePorts(world, state));
  if (!errors.failed) return;
  const endpoint = shortId(state.spec.id);
  world.log.warn({ endpoint, error: errors.message }, 'a join that failed could not be taken back');
}
