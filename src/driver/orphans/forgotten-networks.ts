/**
 * Networks that the engine does not know any more. If the daemon dies while it creates or deletes a
 * network, the engine repeats the call without its body (docs/docker-bridge.md 7.2), is told so,
 * and forgets the network; which one it was, nobody says. The same if the engine dies before it has
 * recorded a network that it has just made. It shows when the subnet is given out again.
 */
import { cidrText, overlaps } from '../../core/address.js';
import { DriverError } from '../../core/errors.js';
import { type NetworkId, shortId } from '../../core/names.js';
import { familiesOf, familyIn, type NetworkSpec, subnetsOf } from '../../core/network/network.js';
import type { IpamPool } from '../../core/options/input.js';
import type { NetworkState } from '../state/registry.js';
import { remedy } from '../state/unreadable.js';
import type { World } from '../world.js';
import { collectIfDead } from './dead-endpoints.js';

/** The engine's own address management, which gives no address out twice; plugins might. */
const engineSpace = 'LocalDefault';

/**
 * Removes (by `deleteNetwork`) networks from before the last start of the daemon or the engine
 * whose subnet the engine has given to `spec`: it has no network with that subnet any more. One
 * with endpoints of containers that live stays, and is a conflict.
 */
export async function collectForgotten(
  world: World,
  spec: NetworkSpec,
  pools: readonly IpamPool[],
  deleteNetwork: (world: World, id: NetworkId) => Promise<void>,
): Promise<void> {
  for (const other of world.registry.networks()) {
    if (!overlapping(spec, other.spec)) continue;
    for (const endpoint of [...other.endpoints.values()]) await collectIfDead(world, endpoint);
    if (!isForgotten(other, pools)) continue;
    world.log.warn(
      { network: shortId(other.spec.id), by: shortId(spec.id) },
      'the engine gave the subnet of a network to another one: removing the former, which it has ' +
        'forgotten',
    );
    await world.networkLocks.exclusive(other.spec.id, async () => {
      if (isForgotten(other, pools)) await deleteNetwork(world, other.spec.id);
    });
  }
}

/**
 * While a network's record cannot be read nobody knows its subnet and its bridge: what is on the
 * host could be its own.
 *
 * @throws {DriverError} `record-unreadable`
 */
export async function refuseUnknownClash(
  world: World,
  spec: NetworkSpec,
  bridge: string | undefined,
): Promise<void> {
  const [unreadable] = world.registry.unreadable.networks();
  if (unreadable === undefined) return;
  const own = new Set<string>(world.registry.networks().map((network) => network.spec.bridge));
  const routes = await world.links.routesInto(subnetsOf(spec));
  const route = routes.find((each) => !own.has(each.interface));
  if (bridge === undefined && route === undefined) return;
  const what =
    route === undefined
      ? `${bridge} exists`
      : `${route.interface} has ${cidrText(route.destination)}`;
  throw new DriverError(
    'record-unreadable',
    `${what}, which may be a network's whose record is not understood: ${unreadable.reason}. ${remedy}`,
  );
}

/** What is `removing` could not be removed the last time. */
function isForgotten(network: NetworkState, pools: readonly IpamPool[]): boolean {
  if (network.record.phase === 'removing') return true;
  const idle = network.former && network.endpoints.size === 0;
  return idle && byEngine(pools) && byEngine(poolsOf(network));
}

function overlapping(spec: NetworkSpec, other: NetworkSpec): boolean {
  return familiesOf(spec).some(({ family, subnet }) => {
    const theirs = familyIn(other, family)?.subnet;
    return theirs !== undefined && overlaps(subnet, theirs);
  });
}

function poolsOf({ record }: NetworkState): IpamPool[] {
  return [...record.input.ipv4Data, ...record.input.ipv6Data];
}

function byEngine(pools: readonly IpamPool[]): boolean {
  return pools.length > 0 && pools.every(({ addressSpace }) => addressSpace === engineSpace);
}
