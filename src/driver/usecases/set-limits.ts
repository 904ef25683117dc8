/** Sets limits while containers run: on record first, so that the next start finishes what a crash interrupts. */
import {
  type GivenLimits,
  type LimitField,
  mergeGiven,
  withoutGiven,
} from '../../core/network/limits.js';
import { refuseLimits } from '../../core/options/own/limit-options.js';
import { Problems } from '../../core/problems.js';
import type { EndpointState, NetworkState } from '../state/registry.js';
import { saveEndpoint, saveNetwork } from '../state/saving.js';
import { endpointLimited, networkLimited } from '../state/transitions.js';
import type { World } from '../world.js';
import { ensureLimits } from './limits.js';
import { onEndpoint } from './on-endpoint.js';

const nothing: GivenLimits = {};

/**
 * Sets limits of an endpoint, until it is removed. A token bucket that is there is changed in place, and loses no
 * packet. What the kernel refuses stays on record, and the next repair tries it again.
 *
 * @param forgotten values that were set before and are taken back, so that those of more general places apply
 * @throws {DriverError} `bad-request` if the limits do not fit those that the endpoint has; then nothing is changed
 */
export async function setEndpointLimits(
  world: Pick<World, 'endpointLocks' | 'networkLocks' | 'registry' | 'shaping' | 'store'>,
  state: EndpointState,
  change: GivenLimits,
  forgotten: readonly LimitField[] = [],
): Promise<void> {
  const { spec, network } = state;
  await onEndpoint(world, network.spec.id, spec.id, async () => {
    const { limits } = state.record;
    const kept = withoutGiven(limits ?? nothing, forgotten);
    const general = [network.spec.limits, network.record.limits, spec.limits, kept];
    refuse(change, general, network, 'setting limits of an endpoint');
    endpointLimited(state, mergeGiven(kept, change));
    try {
      await saveEndpoint(world, state);
    } catch (error) {
      endpointLimited(state, limits);
      throw error;
    }
    await ensureLimits(world, state);
  });
}

/**
 * As {@link setEndpointLimits}, for all endpoints of the network, also later ones; an endpoint's own limits count more.
 */
export async function setNetworkLimits(
  world: Pick<World, 'networkLocks' | 'registry' | 'shaping' | 'store'>,
  state: NetworkState,
  change: GivenLimits,
  forgotten: readonly LimitField[] = [],
): Promise<void> {
  await world.networkLocks.exclusive(state.spec.id, async () => {
    const { limits } = state.record;
    const kept = withoutGiven(limits ?? nothing, forgotten);
    refuse(change, [state.spec.limits, kept], state, 'setting limits of a network');
    networkLimited(state, mergeGiven(kept, change));
    try {
      await saveNetwork(world, state);
    } catch (error) {
      networkLimited(state, limits);
      throw error;
    }
    for (const endpoint of state.endpoints.values()) await ensureLimits(world, endpoint);
  });
}

function refuse(
  change: GivenLimits,
  general: readonly (GivenLimits | undefined)[],
  { spec }: NetworkState,
  doing: string,
): void {
  const problems = new Problems();
  const given = general.reduce<GivenLimits>((all, each) => mergeGiven(all, each ?? nothing), {});
  refuseLimits(change, given, spec.mtu, problems);
  problems.resolve(change, 'bad-request', doing);
}
