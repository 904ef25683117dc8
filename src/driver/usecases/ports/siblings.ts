/**
 * The endpoints of one container publish the same ports, and from 29 on two of them can be gateways
 * at once: one for IPv4, another for IPv6. The engine tells an endpoint what it is the gateway for
 * by what it calls and does not call (docs/docker-bridge.md 3.2):
 *
 * - former gateways are told first, so an endpoint that still holds ports is the gateway of a family;
 * - `no_proxy_6to4` says that another endpoint is the IPv6 gateway, so this one is for IPv4 only;
 * - an endpoint that stays the IPv4 gateway is told nothing when another one becomes that for IPv6,
 *   nor when that one goes again.
 *
 * So an endpoint that is told to publish takes the host addresses of one family over from its sibling, or
 * leaves them there. When it releases its ports, the sibling gets them back.
 */
import { type Family, familyOf } from '../../../core/address.js';
import { messageOf } from '../../../core/errors.js';
import { shortId } from '../../../core/names.js';
import type { PortBinding } from '../../../core/ports/port.js';
import type { PortGroup } from '../../../core/ports/requests.js';
import { type EndpointState, portsToWrite } from '../../state/registry.js';
import { saveEndpoint } from '../../state/saving.js';
import { portsGivenBack, portsYielded } from '../../state/transitions.js';
import type { World } from '../../world.js';
import { isGuardedEndpoint } from '../passage.js';
import { listenerOf, ownerOf } from './bind-ports.js';
import { forgetUdpFlows } from './udp-flows.js';

/** What of a sibling's ports an endpoint takes over. */
export interface Takeover {
  readonly from: EndpointState;
  readonly bindings: readonly PortBinding[];
}

export interface Shares {
  /** Families of host addresses that stay with siblings. */
  readonly left: ReadonlySet<Family>;
  readonly taken: readonly Takeover[];
}

/** The other endpoints of the container that are not being removed. */
export function siblingsOf(
  { registry }: Pick<World, 'registry'>,
  { spec, record }: EndpointState,
): EndpointState[] {
  const { sandboxKey } = record;
  if (sandboxKey === undefined || sandboxKey === '') return [];
  return registry.endpoints().filter((other) => {
    const inContainer = other.record.sandboxKey === sandboxKey && other.spec.id !== spec.id;
    return inContainer && other.record.phase !== 'removing';
  });
}

/**
 * Runs alone among all that changes ports of the same container: a call on one endpoint can change the
 * ports of its siblings.
 */
export function inSandbox<T>(
  { sandboxLocks }: Pick<World, 'sandboxLocks'>,
  { spec, record }: EndpointState,
  work: () => Promise<T>,
): Promise<T> {
  return sandboxLocks.exclusive(record.sandboxKey || spec.id, work);
}

/** @param noProxy6To4 another endpoint of the container is its IPv6 gateway */
export function shareOut(
  world: Pick<World, 'registry'>,
  state: EndpointState,
  noProxy6To4: boolean,
  groups: readonly PortGroup[],
): Shares {
  const gateways: Family[] = [];
  // An endpoint that is told to publish is the gateway of some family: of IPv4 if it has no IPv6.
  if (noProxy6To4 || state.spec.ipv6 === undefined) gateways.push(4);
  if (!noProxy6To4 && state.spec.ipv6 !== undefined) gateways.push(6);
  const wanted = new Set(
    groups.flatMap(({ addresses }) => addresses.map((a) => familyOf(a.hostIp))),
  );
  const left = new Set<Family>();
  const taken: Takeover[] = [];
  for (const from of siblingsOf(world, state)) {
    const mine = from.record.bindings.filter(({ hostIp }) => {
      return gateways.includes(familyOf(hostIp)) && wanted.has(familyOf(hostIp));
    });
    if (mine.length > 0) taken.push({ from, bindings: mine });
    for (const { hostIp } of from.record.bindings) {
      if (!gateways.includes(familyOf(hostIp))) left.add(familyOf(hostIp));
    }
  }
  return { left, taken };
}

/** The groups without the host addresses of families that stay with siblings. */
export function withoutFamilies(
  groups: readonly PortGroup[],
  left: ReadonlySet<Family>,
): PortGroup[] {
  if (left.size === 0) return [...groups];
  return groups.flatMap((group) => {
    const addresses = group.addresses.filter(({ hostIp }) => !left.has(familyOf(hostIp)));
    return addresses.length === 0 ? [] : [{ ...group, addresses }];
  });
}

/** Frees the siblings' ports, and records that they are to be given back, also after a crash. */
export async function takeOver(
  world: Pick<World, 'allocator' | 'conntrack' | 'hostPorts' | 'rules' | 'store'>,
  { from, bindings }: Takeover,
): Promise<void> {
  const { spec, network } = from;
  portsYielded(from, bindings);
  await saveEndpoint(world, from);
  const closing = world.hostPorts.close(
    spec.id,
    bindings.map((each) => listenerOf(world, network.spec.userlandProxy, each)),
  );
  if (isGuardedEndpoint(from)) await closing;
  await Promise.all([
    closing,
    world.rules.removePorts(network.spec, spec, { bindings, opened: [] }, portsToWrite(from)),
  ]);
  world.allocator.release(bindings);
  // A rule can be for both families of a port, so the ports that the sibling keeps are added again.
  await world.rules.addPorts(network.spec, spec, from.record);
  await forgetUdpFlows(world, bindings);
}

/**
 * The siblings get back those ports that they had yielded and that are free now. A port that another
 * container has taken meanwhile stays there, which is logged: the call that releases has succeeded.
 */
export async function giveBack(world: World, state: EndpointState): Promise<void> {
  for (const sibling of siblingsOf(world, state)) {
    const held = siblingsOf(world, sibling).flatMap(({ record }) => record.bindings);
    const families = new Set(held.map(({ hostIp }) => familyOf(hostIp)));
    const back = sibling.record.yielded.filter(({ hostIp }) => !families.has(familyOf(hostIp)));
    if (back.length === 0) continue;
    try {
      await publishAgain(world, sibling, back);
    } catch (error) {
      world.log.error(
        { endpoint: shortId(sibling.spec.id), error: messageOf(error) },
        'publishing ports again that another endpoint of the container had taken over failed',
      );
    }
  }
}

async function publishAgain(
  world: Pick<World, 'allocator' | 'hostPorts' | 'rules' | 'store' | 'strayFlows'>,
  state: EndpointState,
  bindings: readonly PortBinding[],
): Promise<void> {
  const { spec, network } = state;
  const taken: PortBinding[] = [];
  try {
    for (const each of bindings) taken.push(...world.allocator.take(groupOf(each), ownerOf(state)));
    const listeners = bindings.map((each) => listenerOf(world, network.spec.userlandProxy, each));
    await world.rules.guardPorts(network.spec, spec, bindings);
    const [failure] = await world.hostPorts.open(spec.id, listeners);
    if (failure !== undefined) {
      await world.hostPorts.close(spec.id, listeners);
      throw new Error(`${failure.syscall} ${failure.listener.binding.hostPort}: ${failure.code}`);
    }
  } catch (error) {
    world.allocator.release(taken);
    await world.rules.unguardPorts(network.spec, spec, [bindings], state.record).catch(() => {});
    throw error;
  }
  portsGivenBack(state, bindings);
  await saveEndpoint(world, state);
  await world.rules.addPorts(network.spec, spec, state.record);
  await world.strayFlows.forget([{ endpoint: spec.id, bindings }]);
}

/** At a start, before sockets are opened: the daemon may have crashed in the midst of a takeover. */
export function reclaimAll(world: Pick<World, 'allocator' | 'registry'>): void {
  for (const state of world.registry.endpoints()) {
    if (state.record.yielded.length === 0 || state.record.phase === 'removing') continue;
    const held = siblingsOf(world, state).flatMap(({ record }) => record.bindings);
    const families = new Set(held.map(({ hostIp }) => familyOf(hostIp)));
    const back = state.record.yielded.filter(({ hostIp }) => !families.has(familyOf(hostIp)));
    world.allocator.add(back, ownerOf(state));
    portsGivenBack(state, back);
  }
}

function groupOf(binding: PortBinding): PortGroup {
  const { protocol, containerPort, hostIp, hostPort, containerIp } = binding;
  return {
    request: { protocol, containerPort, hostIp, hostPorts: { first: hostPort, last: hostPort } },
    addresses: [{ hostIp, containerIp }],
  };
}
