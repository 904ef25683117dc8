/**
 * Ports that an operator publishes on an endpoint, beside those of the engine: chosen, bound, recorded and given
 * rules as those are. They stay until the endpoint leaves its network, or until they are unpublished.
 */
import { DriverError, ErrorList } from '../../../core/errors.js';
import { isManaged, routedFamilies } from '../../../core/network/network.js';
import { refuseSeparate } from '../../../core/options/compact-requests.js';
import type { PortBinding } from '../../../core/ports/port.js';
import type { PortGroup } from '../../../core/ports/requests.js';
import {
  ownerOfPublished,
  type Publication,
  type PublicationId,
} from '../../../core/publications/publication.js';
import { type EndpointState, portsToWrite } from '../../state/registry.js';
import { saveEndpoint } from '../../state/saving.js';
import {
  addedChosen,
  adding,
  left,
  portsBound,
  publishingOver,
  unpublishedRecord,
  unpublishFailed,
  unpublishing,
} from '../../state/transitions.js';
import { untold } from '../../telemetry.js';
import type { World } from '../../world.js';
import { isGuardedEndpoint, refuseUnguarded } from '../passage.js';
import { bindPorts, listenerOf } from './bind-ports.js';
import { readEphemeralPorts } from './port-settings.js';
import { groupsOf, releasePorts } from './publish.js';
import { tellPorts } from './told-ports.js';
import { forgetUdpFlows } from './udp-flows.js';

type Closing = Pick<
  World,
  'allocator' | 'conntrack' | 'hostPorts' | 'registry' | 'rules' | 'store' | 'telemetry'
>;

/** Opens all ports of the publication, or none. Answers with what was opened. */
export async function openAdded(
  world: World,
  state: EndpointState,
  publication: Publication,
): Promise<readonly PortBinding[]> {
  const { spec, network } = state;
  const { id } = publication;
  const groups = await publishable(world, state, publication);
  refuseSeparate(groups, network.spec.portRules);
  refuseUnguarded(world, state, groups);
  world.allocator.ephemeral = await readEphemeralPorts(world.sysctls);
  let opened: readonly PortBinding[] = [];
  const choose = (bindings: readonly PortBinding[]): void => {
    opened = bindings;
    addedChosen(state, id, bindings);
  };
  adding(state, id);
  try {
    const owner = ownerOfPublished(publication);
    await bindPorts(world, state, world.rules.orderBindings(groups), { owner, choose });
    portsBound(state);
    await world.rules.addPorts(network.spec, spec, state.record);
    await world.strayFlows.forget([{ endpoint: spec.id, bindings: opened }]);
    tellPorts(world, 'published', state, opened, 'operator');
    return opened;
  } catch (error) {
    const only = new Set([id]);
    // No event tells of the release, since none has told that these ports were published.
    const quietly = { ...world, telemetry: untold };
    await closeAdded(quietly, state, only).catch(() =>
      freeAdded(quietly, state, only).catch(() => {}),
    );
    throw error;
  } finally {
    publishingOver(state);
  }
}

async function publishable(
  world: World,
  state: EndpointState,
  { requests }: Publication,
): Promise<readonly PortGroup[]> {
  const { network, spec } = state;
  const groups = network.spec.internal ? [] : await groupsOf(world, state, requests);
  const families = new Set(routedFamilies(network.spec));
  if (groups.length > 0) return groups;
  const why = network.spec.internal
    ? 'is internal: nothing outside of it reaches its containers'
    : families.size > 0
      ? `${isManaged(network.spec) ? 'is in mode routed' : 'is a bridge of the LAN'}: its containers are reached by their own addresses, and have no host ports`
      : `gives the container no address (${spec.id.slice(0, 12)}) of the family that is asked for`;
  throw new DriverError('options-invalid', `network ${network.spec.bridge} ${why}`);
}

/**
 * Records that the ports are unpublished, then frees them. If the record cannot be written, they stay.
 *
 * @param ids without them: all
 */
export async function closeAdded(
  world: Closing,
  state: EndpointState,
  ids: ReadonlySet<PublicationId> = idsOf(state),
): Promise<void> {
  if (!state.record.added.some(({ publication }) => ids.has(publication))) return;
  await saveEndpoint(world, state, unpublishedRecord(state, ids));
  await freeAdded(world, state, ids);
}

/** Removes rules, sockets and UDP flows of the ports; absent ones are no error. */
export async function freeAdded(
  world: Closing,
  state: EndpointState,
  ids: ReadonlySet<PublicationId> = idsOf(state),
): Promise<void> {
  const { spec, network } = state;
  const added = unpublishing(state, ids);
  if (added.length === 0) return;
  const bindings = added.flatMap((each) => each.bindings);
  const listeners = bindings.map((each) => listenerOf(world, network.spec.userlandProxy, each));
  const ports = { bindings: [], opened: [], added };
  const errors = new ErrorList();
  const closing = errors.attempt(() => world.hostPorts.close(spec.id, listeners));
  if (isGuardedEndpoint(state)) await closing;
  await Promise.all([
    closing,
    errors.attempt(() => world.rules.removePorts(network.spec, spec, ports, portsToWrite(state))),
  ]);
  await errors.attempt(() => forgetUdpFlows(world, bindings));
  if (errors.failed) {
    unpublishFailed(state, added);
    throw new DriverError('firewall-failed', `releasing published ports: ${errors.message}`);
  }
  world.allocator.release(bindings);
  tellPorts(world, 'released', state, bindings, 'operator');
}

/** What is open for publications that are no more: the daemon died while an operator unpublished them. */
export async function closeUnpublished(world: Closing, state: EndpointState): Promise<void> {
  const { added, phase } = state.record;
  if (phase === 'removing') return;
  const gone = added.filter(({ publication }) => !world.registry.isPublication(publication));
  await closeAdded(world, state, new Set(gone.map(({ publication }) => publication)));
}

/** The engine takes the container out of the network: all of its ports are released. */
export async function leaveNetwork(world: World, state: EndpointState): Promise<void> {
  left(state);
  try {
    await releasePorts(world, state);
  } finally {
    await closeAdded(world, state);
  }
}

function idsOf({ record }: EndpointState): ReadonlySet<PublicationId> {
  return new Set(record.added.map(({ publication }) => publication));
}
