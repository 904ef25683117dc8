/** Makes, keeps and removes what holds an endpoint to its limits. */
import { type GivenLimits, limitsOf, type TrafficLimits } from '../../core/network/limits.js';
import type { WaitingIn } from '../../core/network/queues.js';
import {
  describeShapingStep,
  planShaping,
  type ShapedLink,
  shapedLink,
  unshaped,
} from '../../core/network/shaping.js';
import type { EndpointState } from '../state/registry.js';
import type { World } from '../world.js';

/**
 * What is given for an endpoint, from the most general place to the most particular: an operator's word counts more
 * than options.
 */
function given({ spec, record, network }: EndpointState): GivenLimits[] {
  return [network.spec.limits, network.record.limits, spec.limits, record.limits].filter(
    (each) => each !== undefined,
  );
}

export function limitsOfEndpoint(state: EndpointState): TrafficLimits {
  return limitsOf(given(state), state.network.spec.mtu);
}

/**
 * Whether limits are given for the endpoint, be it `none`. If not, queueing disciplines of others on its link are
 * left alone.
 */
export function hasSpokenLimits(state: EndpointState): boolean {
  return given(state).length > 0;
}

/** Limits a link that was just made, and so has nothing that would have to be read first. */
export async function limitNew(
  { shaping }: Pick<World, 'shaping'>,
  state: EndpointState,
): Promise<void> {
  const steps = planShaping(linkOf(state), limitsOfEndpoint(state), unshaped, shaping.waitingIn);
  if (steps.length > 0) await shaping.apply(steps);
}

/**
 * Makes an endpoint's link what its limits need. The caller holds the lock of the endpoint, or its network's exclusively.
 *
 * @returns what was done, or with `dryRun` would be: `limit veth0123456 to 10mbit down (burst 12500)`
 */
export async function ensureLimits(
  world: Pick<World, 'registry' | 'shaping'>,
  state: EndpointState,
  dryRun = false,
): Promise<string[]> {
  if (!isKept(world, state)) return [];
  const link = linkOf(state);
  const observed = (await world.shaping.observe([link])).get(link.host);
  if (observed === undefined) return [];
  const waitingIn = waitingInFor(world, dryRun);
  const steps = planShaping(link, limitsOfEndpoint(state), observed, waitingIn);
  if (!dryRun) await world.shaping.apply(steps);
  return steps.map(describeShapingStep);
}

/** The endpoints whose links do not have what their limits need; nothing is changed. */
export async function differingLimits(
  world: Pick<World, 'registry' | 'shaping'>,
  states: readonly EndpointState[],
  dryRun: boolean,
): Promise<EndpointState[]> {
  const kept = states.filter((state) => isKept(world, state));
  const observed = await world.shaping.observe(kept.map(linkOf));
  const waitingIn = waitingInFor(world, dryRun);
  return kept.filter((state) => {
    const link = linkOf(state);
    const found = observed.get(link.host);
    if (found === undefined) return false;
    return planShaping(link, limitsOfEndpoint(state), found, waitingIn).length > 0;
  });
}

/** While it is not known whether the kernel has fair queues, a dry run does not say that one is missing. */
function waitingInFor({ shaping }: Pick<World, 'shaping'>, dryRun: boolean): WaitingIn {
  return dryRun && shaping.waitingIn === 'unknown' ? 'fifo' : shaping.waitingIn;
}

const linkOf = ({ spec }: EndpointState): ShapedLink => shapedLink(spec.veth.host);

/** Whether the endpoint is there and no call is just making (`creating`) or removing it. */
function isKept({ registry }: Pick<World, 'registry'>, state: EndpointState): boolean {
  const { phase } = state.record;
  const current = registry.endpoint(state.spec.id) === state;
  return current && (phase === 'ready' || phase === 'created');
}

/** Removes the endpoint's ifb, which stays when the kernel deletes the veth pair. */
export async function removeIfb(
  { links }: Pick<World, 'links'>,
  state: EndpointState,
): Promise<void> {
  if (hasSpokenLimits(state)) await links.remove(linkOf(state).ifb);
}
