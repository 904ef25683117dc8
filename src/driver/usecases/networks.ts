/** CreateNetwork and DeleteNetwork: bridge, addresses, sysctls, rules, record. */

import { isDeepStrictEqual } from 'node:util';
import { awaitedLater, background } from '../../background.js';
import { type Cidr, cidrText } from '../../core/address.js';
import { DriverError, ErrorList, messageOf, wrapError } from '../../core/errors.js';
import { type NetworkId, shortId } from '../../core/names.js';
import { conflictsWith } from '../../core/network/conflicts.js';
import type { ObservedLink } from '../../core/network/links.js';
import {
  isManaged,
  type NetworkSpec,
  networkLabel,
  subnetsOf,
} from '../../core/network/network.js';
import { nicsAmong } from '../../core/network/uplink.js';
import { segmentOf } from '../../core/segments/all.js';
import type { Asked, AskedNetwork } from '../front-end.js';
import type { ProcessId } from '../host.js';
import type { NetworkRecord } from '../state/records.js';
import type { NetworkState } from '../state/registry.js';
import { saveNetwork } from '../state/saving.js';
import { networkMade, networkRemoving } from '../state/transitions.js';
import type { World } from '../world.js';
import { applyLinkSteps, applySysctls } from './apply.js';
import { ensureBridgeFiltering } from './bridge-filtering.js';
import { removeEndpoint } from './endpoints.js';
import { ensureForwarding } from './forwarding.js';
import {
  refuseDevice,
  refuseMissingDevice,
  refuseUnknownClash,
  removalsInTheWay,
} from './obstacles.js';
import { refuseUnheld, warnOfEgressIp } from './passage.js';
import { isZoned } from './zones.js';

/** A repeated call with the same arguments succeeds; with others it is `network-exists`. */
export async function createNetwork(
  world: World,
  asked: AskedNetwork,
  caller?: ProcessId,
): Promise<void> {
  const frontEnd = world.frontEnds.of(asked);
  const { settings, rules } = world;
  const { spec, warnings } = frontEnd.readNetwork(asked.input, settings, rules.generationName);
  const input = frontEnd.keepNetwork(asked.input);
  const label = networkLabel(spec);
  const known = world.registry.network(spec.id);
  if (known?.record.phase === 'removing') await deleteNetwork(world, spec.id);
  else if (known !== undefined) {
    const { record } = known;
    if (record.frontEnd === frontEnd.name && isDeepStrictEqual(record.input, input)) return;
    throw new DriverError('network-exists', `network ${label} exists with other options`);
  }
  for (const other of removalsInTheWay(world, spec)) await finishRemoval(world, other);
  // Nothing is awaited from this comparison until `register` has listed the network as examined: a call at the same time,
  // for a network that conflicts with this one, would be compared with neither list and succeed.
  const others = world.registry.networks().map((other) => other.spec);
  conflictsWith(spec, [...others, ...world.registry.examined], frontEnd.words);
  for (const warning of warnings) world.log.warn({ network: shortId(spec.id) }, warning);
  refuseUnheld(world, spec, spec.passage);
  world.containerRoutes.refuseOfNetwork(spec);
  const kept = { frontEnd: frontEnd.name, input, ...(caller && { engine: caller }) };
  const { observed, state } = await register(world, spec, kept);
  try {
    await saveNetwork(world, state);
    await ensureNetwork(world, state, observed);
    await world.hostRoutes.addOfNetwork(state);
    networkMade(state);
    await saveNetwork(world, state);
    background(world.log, 'looking for routes that clash', warnOfRoutes(world, spec));
    warnOfEgressIp(world, spec.passage, `network ${label}`);
    if (observed !== undefined && isManaged(spec)) {
      background(world.log, 'looking for a NIC', warnOfNic(world, spec, observed));
    }
    // So that the first published port does not wait for the start of the proxy process.
    if (!spec.internal) world.hostPorts.prepare();
  } catch (error) {
    const left = await takeAway(world, state);
    if (observed !== undefined) await restoreDevice(world, spec, observed);
    await world.removals.finished(spec.bridge);
    const note = left === undefined ? '' : ` (and undoing it: ${left})`;
    const failure = wrapError(`creating network ${label}`, error, 'link-failed');
    throw new DriverError(failure.code, failure.message + note, { cause: error });
  }
}

/** Repeats the removal of a network that has failed before. */
async function finishRemoval(world: World, state: NetworkState): Promise<void> {
  const { id } = state.spec;
  await world.networkLocks.exclusive(id, async () => {
    if (world.registry.network(id) === state) await deleteNetwork(world, id);
  });
}

/**
 * Registers a network. Until it is known whether the host has a device of its name, the network is only
 * `examined`: a repair would write rules for a bridge that may be another program's, while a call for a
 * network that conflicts has to see this one.
 */
async function register(
  world: Pick<World, 'links' | 'registry' | 'removals' | 'rules' | 'neighbourProxies'>,
  spec: NetworkSpec,
  kept: Asked & Pick<NetworkRecord, 'engine'>,
): Promise<{ observed: ObservedLink | undefined; state: NetworkState }> {
  const { registry, rules } = world;
  registry.examined.add(spec);
  try {
    await world.neighbourProxies.refuseOfNetwork(spec);
    const observed = await examineDevice(world, spec);
    const state = registry.addNetwork(spec, {
      phase: 'creating',
      sequence: registry.nextSequence(),
      bridgeMade: observed === undefined,
      addressesMade: observed === undefined ? [] : missingAddresses(spec, observed),
      ruleSettings: rules.ruleSettingsOf(spec),
      ...kept,
    });
    return { observed, state };
  } catch (error) {
    throw wrapError(`creating network ${networkLabel(spec)}`, error, 'link-failed');
  } finally {
    registry.examined.delete(spec);
  }
}

/** @throws if the device cannot be used, or if that of a former network could not be removed yet */
async function examineDevice(
  world: Pick<World, 'links' | 'registry' | 'removals'>,
  spec: NetworkSpec,
): Promise<ObservedLink | undefined> {
  if (!(await world.removals.clear(spec.bridge))) {
    throw new Error(`${spec.bridge} of a former network could not be removed yet (see the log)`);
  }
  const observed = await world.links.find(spec.bridge);
  refuseMissingDevice(spec, observed);
  await refuseUnknownClash(world, spec, observed?.name);
  if (observed !== undefined) refuseDevice(spec, observed);
  return observed;
}

/**
 * Makes bridge, sysctls and rules as the network's spec says, and changes nothing that is right already.
 */
export async function ensureNetwork(
  world: World,
  { spec, record }: NetworkState,
  observed: ObservedLink | undefined,
): Promise<void> {
  const segment = segmentOf(spec);
  const rules = world.rules.addNetwork(spec);
  awaitedLater(rules);
  await applyLinkSteps(world.links, segment.planDevice(spec, observed));
  // Before the addresses: the kernel refuses IPv6 addresses while IPv6 is switched off on the bridge.
  await applySysctls(world.sysctls, segment.settings(spec, record.bridgeMade));
  await applyLinkSteps(world.links, segment.planAddresses(spec, observed));
  await ensureForwarding(world, spec);
  await ensureBridgeFiltering(world, spec);
  await rules;
  if (isZoned(world, spec)) await world.zones.add(spec.bridge);
  // Last, as Docker does: no packet passes the bridge before the rules are there.
  await applyLinkSteps(world.links, segment.planUp(spec, observed));
}

/** Goes on past failures. If anything is left, the record stays, so that a start tries again. */
export async function deleteNetwork(world: World, id: NetworkId): Promise<void> {
  const state = world.registry.network(id);
  if (state === undefined) return;
  const errors = new ErrorList();
  networkRemoving(state);
  const marked = await saveNetwork(world, state).then(
    () => true,
    (error) => {
      // The disk may be full: deleting must work there above all, so it goes on.
      world.log.error({ network: shortId(id), error }, 'recording a removal failed');
      return false;
    },
  );
  for (const endpoint of [...state.endpoints.values()]) {
    await errors.attempt(() => removeEndpoint(world, endpoint));
  }
  // Only if all endpoints are gone: the network's record is needed to remove their rules.
  if (!errors.failed) {
    await errors.attempt(async () => {
      const left = await takeAway(world, state);
      if (left !== undefined) throw new Error(left);
      // `removing` could not be written, so a start would not finish it: the removal is awaited.
      if (!marked) await world.removals.finished(state.spec.bridge);
    });
  }
  if (errors.failed) {
    throw new DriverError(
      'link-failed',
      `deleting network ${networkLabel(state.spec)}: ${errors.message}`,
    );
  }
}

/**
 * Removes rules, then the bridge, then the record. Answers with what could not be removed: then the network
 * stays registered as `removing`, and the next call or start tries again.
 */
export async function takeAway(world: World, state: NetworkState): Promise<string | undefined> {
  const { spec, record } = state;
  // From here on the network is not desired, so that a repair does not put anything back.
  networkRemoving(state);
  const errors = new ErrorList();
  await errors.attempt(() => world.rules.removeNetwork(spec));
  if (errors.failed) {
    await errors.attempt(() => saveNetwork(world, state));
    return errors.message;
  }
  await errors.attempt(() => world.hostRoutes.removeOfNetwork(state));
  // A failure is only logged: firewalld may keep the name of a bridge that is gone.
  await world.zones.remove(spec.bridge).catch((error) => {
    world.log.warn({ bridge: spec.bridge, error }, 'removing a bridge from its zone failed');
  });
  world.registry.removeNetwork(spec.id);
  const forget = (): Promise<void> => world.store.remove('network', spec.id);
  if (record.bridgeMade) world.removals.begin(spec.bridge, forget);
  else {
    for (const address of record.addressesMade) {
      await errors.attempt(() => world.links.removeAddress(spec.bridge, address));
    }
    await errors.attempt(forget);
  }
  return errors.failed ? errors.message : undefined;
}

/** The addresses that the network will add to a device of the user's. */
function missingAddresses(spec: NetworkSpec, observed: ObservedLink): Cidr[] {
  const steps = segmentOf(spec).planAddresses(spec, observed);
  return steps.flatMap((step) => (step.kind === 'add-address' ? [step.address] : []));
}

/** Undoes what a network that could not be created has changed on a device of the user's. */
async function restoreDevice(
  world: Pick<World, 'links' | 'log'>,
  spec: NetworkSpec,
  observed: ObservedLink,
): Promise<void> {
  const { mtu, up } = observed;
  try {
    const now = await world.links.find(spec.bridge);
    if (now?.index !== observed.index || (now.mtu === mtu && now.up === up)) return;
    await world.links.change(spec.bridge, { mtu, up });
  } catch (error) {
    world.log.warn({ bridge: spec.bridge, error }, 'giving a bridge its MTU back failed');
  }
}

/**
 * Logs routes of the host that overlap with the network. As with Docker that is no error (the more
 * specific route wins), but packets then go where an administrator may not expect them.
 */
async function warnOfRoutes(world: Pick<World, 'links' | 'log'>, spec: NetworkSpec): Promise<void> {
  try {
    for (const route of await world.links.routesInto(subnetsOf(spec))) {
      if (route.interface === spec.bridge) continue;
      world.log.warn(
        { network: shortId(spec.id), bridge: spec.bridge },
        `subnet of the network overlaps the host's route to ${cidrText(route.destination)} ` +
          `by ${route.interface}`,
      );
    }
  } catch (error) {
    world.log.debug({ error: messageOf(error) }, 'host routes could not be read');
  }
}

/**
 * Logs that the bridge carries a NIC of the host. As with Docker that is no error, since it works as long as no other
 * network has to leave by the bridge.
 */
async function warnOfNic(
  world: Pick<World, 'links' | 'log'>,
  spec: NetworkSpec,
  observed: ObservedLink,
): Promise<void> {
  try {
    const [nic] = nicsAmong(await world.links.portsOf(observed));
    if (nic === undefined) return;
    world.log.warn(
      { network: shortId(spec.id), bridge: spec.bridge },
      `${spec.bridge} carries ${nic}: rules of the network drop what other networks send out by it; with ` +
        '-o tsbridge.bridge=unmanaged they do not',
    );
  } catch (error) {
    world.log.debug({ error: messageOf(error) }, 'the ports of a bridge could not be read');
  }
}
