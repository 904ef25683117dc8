/** What prevents a new network, except for conflicts with other networks (`core/network/conflicts.ts`). */
import { cidrText, overlaps } from '../../core/address.js';
import { DriverError } from '../../core/errors.js';
import { defaultBridgeName } from '../../core/names.js';
import type { ObservedLink } from '../../core/network/links.js';
import {
  familiesOf,
  familyIn,
  isManaged,
  type NetworkSpec,
  networkLabel,
  subnetsOf,
} from '../../core/network/network.js';
import { segmentOf } from '../../core/segments/all.js';
import type { NetworkState } from '../state/registry.js';
import { remedy } from '../state/unreadable.js';
import type { World } from '../world.js';

/**
 * Networks that overlap with `spec` or have its bridge, and are to be removed: the engine has asked for
 * that, or was never told that they were made.
 */
export function removalsInTheWay(
  { registry }: Pick<World, 'registry'>,
  spec: NetworkSpec,
): NetworkState[] {
  return registry
    .networks()
    .filter(({ record }) => record.phase === 'removing')
    .filter((other) => other.spec.bridge === spec.bridge || overlapping(spec, other.spec));
}

/**
 * While a network's record cannot be read, its subnet and bridge are unknown: a bridge or address on the
 * host that the new network conflicts with could be that network's.
 *
 * @throws {DriverError} `record-unreadable`
 */
export async function refuseUnknownClash(
  world: Pick<World, 'links' | 'registry'>,
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

/**
 * A bridge that the user made is used, and what the network needs is added to it. Refused are other devices
 * and the bridge of a network of the built-in driver: two networks on one bridge would each remove the
 * other's rules and addresses.
 *
 * @throws {DriverError} `network-conflict`
 */
export function refuseDevice(spec: NetworkSpec, observed: ObservedLink): void {
  const reason = segmentOf(spec).obstacle(spec, observed) ?? sharesBridge(spec);
  if (reason === undefined) return;
  const way = 'choose another name with -o com.docker.network.bridge.name=NAME';
  throw new DriverError('network-conflict', `${reason}; ${way}`);
}

/**
 * Refuses an unmanaged bridge that is not there: the driver does not make it.
 *
 * @throws {DriverError} `options-invalid`
 */
export function refuseMissingDevice(spec: NetworkSpec, observed: ObservedLink | undefined): void {
  if (observed !== undefined || isManaged(spec)) return;
  throw new DriverError(
    'options-invalid',
    `com.docker.network.bridge.name=${spec.bridge}: there is no such bridge, and with tsbridge.bridge=unmanaged ` +
      `none is made: make it first (ip link add name ${spec.bridge} type bridge), or leave tsbridge.bridge out`,
  );
}

/** Why the bridge belongs to the built-in driver, as its name says: `docker0`, or `br-` with an id's digits. */
function sharesBridge({ id, bridge }: NetworkSpec): string | undefined {
  if (bridge === defaultBridgeName(id)) return undefined;
  const other = bridge === 'docker0' ? 'bridge' : /^br-([0-9a-f]{12})$/.exec(bridge)?.[1];
  if (other === undefined) return undefined;
  return (
    `cannot create network ${networkLabel({ id, bridge })}: conflicts with network ${other} (${bridge}): ` +
    'networks have same bridge name'
  );
}

function overlapping(spec: NetworkSpec, other: NetworkSpec): boolean {
  return familiesOf(spec).some(({ family, subnet }) => {
    const theirs = familyIn(other, family)?.subnet;
    return theirs !== undefined && overlaps(subnet, theirs);
  });
}
