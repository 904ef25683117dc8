/**
 * Publishes the ports of an endpoint: chooses, binds and records them, then adds the rules. A port that
 * cannot be bound never gets a rule, which would take packets away from the program that has the port.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { DriverError, ErrorList } from '../../../core/errors.js';
import { shortId } from '../../../core/names.js';
import { isManaged, routedFamilies } from '../../../core/network/network.js';
import { refuseSeparate } from '../../../core/options/compact-requests.js';
import type { PublishRequest } from '../../../core/options/port-options.js';
import type { OpenPort, PortBinding } from '../../../core/ports/port.js';
import {
  expandRequests,
  type PortGroup,
  type PublishContext,
  routedPorts,
} from '../../../core/ports/requests.js';
import { type EndpointState, hostPortsOf, portsToWrite } from '../../state/registry.js';
import { saveEndpoint } from '../../state/saving.js';
import {
  portsBound,
  portsOpened,
  publishing,
  publishingOver,
  releaseFailed,
  releaseFinished,
  releaseRecord,
  releasing,
} from '../../state/transitions.js';
import { untold } from '../../telemetry.js';
import type { World } from '../../world.js';
import { isGuardedEndpoint, refuseUnguarded } from '../passage.js';
import { bindPorts, listenerOf, refuseTaken } from './bind-ports.js';
import { listensOnIpv6, readEphemeralPorts } from './port-settings.js';
import { giveBack, shareOut, takeOver, withoutFamilies } from './siblings.js';
import { tellPorts } from './told-ports.js';
import { forgetUdpFlows } from './udp-flows.js';

/** More requests than this are worked on in turns of the event loop. */
const manyRequests = 100;

/**
 * Replaces what the endpoint has published. A request that is refused changes nothing; after a
 * failure of the host nothing is published.
 */
export async function publishPorts(
  world: World,
  state: EndpointState,
  request: PublishRequest,
): Promise<void> {
  const { spec, network } = state;
  const context = await contextOf(world, state, request);
  // Reading a body with so many, and each of the steps below, takes milliseconds: others get their turn in between.
  const isLarge = request.requests.length > manyRequests;
  if (isLarge) await nextTurn();
  const all = expandRequests(request.requests, context);
  const shares = shareOut(world, state, request.noProxy6To4, all);
  const expanded = withoutFamilies(all, shares.left);
  refuseSeparate(expanded, network.spec.portRules);
  const groups = world.rules.orderBindings(expanded);
  world.allocator.ephemeral = await readEphemeralPorts(world.sysctls);
  if (isLarge) await nextTurn();
  // Whatever can be refused is refused here, before the ports that are published are released.
  refuseTaken(world, state, groups, shares.taken);
  refuseUnguarded(world, state, groups);
  const { ports: opened, ignored } = routedPorts(request.requests, context);
  await releasePorts(world, state, keptOpen(world, state, opened));
  if (groups.length === 0 && opened.length === 0 && request.exposed.length === 0) return;
  const [first] = ignored;
  if (first !== undefined) {
    const { protocol, containerPort, hostPorts } = first;
    world.log.info(
      {
        endpoint: shortId(spec.id),
        ports: ignored.length,
        first: { protocol, containerPort, hostPort: hostPorts?.first },
      },
      isManaged(network.spec)
        ? 'host ports ignored, because NAT is disabled (gateway mode routed)'
        : 'host ports ignored: the container is on a bridge of the LAN, and is reached at its own address',
    );
  }
  const joined = state.record.opened;
  publishing(state, { opened, exposed: request.exposed });
  try {
    for (const each of shares.taken) await takeOver(world, each);
    await bindPorts(world, state, groups);
    portsBound(state);
    await world.rules.addPorts(network.spec, spec, state.record);
    // After the rules: before them, a client that goes on sending would begin the old flow again. Only by host
    // port, since the flows of the container's address were forgotten when its last holder released it.
    await world.strayFlows.forget([{ endpoint: spec.id, bindings: state.record.bindings }]);
    tellPorts(world, 'published', state, state.record.bindings);
  } catch (error) {
    // They are released also if the record cannot be written.
    const kept = keptOpen(world, state, joined);
    // No event tells of the release, since none has told that these ports were published.
    const quietly = { ...world, telemetry: untold };
    await releasePorts(quietly, state, kept).catch(() => freePorts(quietly, state).catch(() => {}));
    await giveBack(world, state);
    throw error;
  } finally {
    publishingOver(state);
  }
}

/** The host ports that an operator's requests come to on this endpoint. */
export async function groupsOf(
  world: World,
  state: EndpointState,
  requests: PublishRequest['requests'],
): Promise<PortGroup[]> {
  return expandRequests(requests, await contextOf(world, state, { noProxy6To4: false }));
}

async function contextOf(
  world: World,
  { spec, network }: EndpointState,
  { noProxy6To4 }: Pick<PublishRequest, 'noProxy6To4'>,
): Promise<PublishContext> {
  return {
    containerIpv4: spec.ipv4?.address,
    containerIpv6: spec.ipv6?.address,
    hostBinding: network.spec.hostBinding ?? world.settings.defaultBindingIp,
    userlandProxy: network.spec.userlandProxy,
    ipv6Listenable: await listensOnIpv6(world.sysctls),
    noProxy6To4,
    routed: routedFamilies(network.spec),
  };
}

/** Whether the engine's own driver opens ports of such an endpoint at Join, and until Leave. */
export function opensRoutedAtJoin({ rules }: World, { network }: EndpointState): boolean {
  return rules.opensRoutedAtJoin && routedFamilies(network.spec).length > 0;
}

/** Opens what is published in mode `routed`, whether the network becomes the gateway or not. */
export async function openRoutedPorts(
  world: World,
  state: EndpointState,
  request: PublishRequest,
): Promise<void> {
  const context = await contextOf(world, state, request);
  const { ports: opened } = routedPorts(request.requests, context);
  if (opened.length === 0) return;
  portsOpened(state, opened);
  try {
    await saveEndpoint(world, state);
    await world.rules.addPorts(state.network.spec, state.spec, { bindings: [], opened });
  } catch (error) {
    await releasePorts(world, state).catch(() => freePorts(world, state).catch(() => {}));
    throw error;
  }
}

/** Another network becomes the container's gateway, or none: what Join has opened stays open. */
export function revokePorts(world: World, state: EndpointState): Promise<void> {
  return releasePorts(world, state, keptOpen(world, state, state.record.opened));
}

/** Which of the opened ports stay open. */
function keptOpen(
  { rules }: World,
  { record }: EndpointState,
  wanted: readonly OpenPort[],
): readonly OpenPort[] {
  if (!rules.opensRoutedAtJoin) return [];
  return record.opened.filter((port) => wanted.some((each) => isDeepStrictEqual(each, port)));
}

/** The parts of the world that are needed to free ports. */
export type Freeing = Pick<
  World,
  'allocator' | 'conntrack' | 'hostPorts' | 'registry' | 'rules' | 'telemetry'
>;

/**
 * Records the release, then frees the ports ({@link freePorts}), so that a start does not publish them
 * again. If the record cannot be written, nothing is released.
 *
 * @param kept of the opened ports: those that stay open
 */
export async function releasePorts(
  world: Freeing & Pick<World, 'store'>,
  state: EndpointState,
  kept: readonly OpenPort[] = [],
): Promise<void> {
  if (publishesOnly(state, kept)) return;
  await saveEndpoint(world, state, releaseRecord(state, kept));
  await freePorts(world, state, kept);
}

/** Frees at a start the ports whose release {@link releasePorts} of an earlier daemon has recorded. */
export async function finishRelease(
  world: Pick<World, 'conntrack' | 'registry' | 'rules' | 'store'>,
  state: EndpointState,
): Promise<void> {
  const { released } = state.record;
  if (released === undefined) return;
  const { spec, network } = state;
  await world.rules.removePorts(network.spec, spec, released, portsToWrite(state));
  if (released.added.length === 0) await forgetFlows(world, state, released.bindings);
  // The container goes on: its other flows stay.
  else await forgetUdpFlows(world, hostPortsOf(released));
  releaseFinished(state);
  await saveEndpoint(world, state);
}

/**
 * Removes rules, sockets, conntrack entries and host ports of the endpoint; absent ones are no error.
 * Answers with false if nothing was published.
 */
export async function freePorts(
  world: Freeing,
  state: EndpointState,
  kept: readonly OpenPort[] = [],
): Promise<boolean> {
  if (publishesOnly(state, kept)) return false;
  const errors = new ErrorList();
  // From here on the ports are not desired, so that a repair does not put the rules back.
  const ports = releasing(state, kept);
  const { bindings } = ports;
  const { added, opened } = state.record;
  // The proxy process is told first to close the sockets: meanwhile the rules to remove are worked out. Guards
  // stay until they are closed.
  const closing = errors.attempt(() => closeAll(world, state, bindings));
  if (isGuardedEndpoint(state)) await closing;
  await Promise.all([
    closing,
    errors.attempt(() =>
      world.rules.removePorts(state.network.spec, state.spec, ports, {
        bindings: [],
        opened,
        added,
      }),
    ),
  ]);
  await errors.attempt(() => forgetFlows(world, state, bindings));
  if (errors.failed) {
    // The next call (Leave, DeleteEndpoint) or the next start tries again.
    releaseFailed(state, ports);
    throw new DriverError('firewall-failed', `releasing published ports: ${errors.message}`);
  }
  world.allocator.release(bindings);
  tellPorts(world, 'released', state, bindings);
  return true;
}

/** All sockets of the endpoint, but those of what operators have published. */
async function closeAll(
  { hostPorts, rules }: Pick<World, 'hostPorts' | 'rules'>,
  { spec, network, record }: EndpointState,
  bindings: readonly PortBinding[],
): Promise<void> {
  if (record.added.length === 0) return hostPorts.close(spec.id);
  const { userlandProxy } = network.spec;
  await hostPorts.close(
    spec.id,
    bindings.map((each) => listenerOf({ rules }, userlandProxy, each)),
  );
}

function publishesOnly({ record }: EndpointState, kept: readonly OpenPort[]): boolean {
  const { bindings, opened, exposed, yielded } = record;
  const none = [bindings, exposed, yielded].every(({ length }) => length === 0);
  return none && opened.length === kept.length;
}

/**
 * Forgets the flows of the container's addresses, as Docker does (docs/docker-bridge.md 3.9), and those to
 * its host ports.
 */
export async function forgetFlows(
  world: Pick<World, 'conntrack' | 'registry'>,
  { spec, network }: EndpointState,
  bindings: readonly PortBinding[],
): Promise<void> {
  const addresses = [spec.ipv4, spec.ipv6]
    .flatMap((cidr) => (cidr ? [cidr.address] : []))
    // The flows of an address that was given to another endpoint as well may be that one's.
    .filter((address) => world.registry.holders(network.spec.id, address).length < 2);
  // At the same time: they share a walk through the kernel's table.
  await Promise.all([forgetUdpFlows(world, bindings), world.conntrack.removeFlowsOf(addresses)]);
}
