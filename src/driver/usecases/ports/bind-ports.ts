/**
 * The host ports of an endpoint: chooses, binds and records them. Binding and recording run at the same
 * time, and the rules are made meanwhile.
 */
import { familyOf } from '../../../core/address.js';
import { DriverError } from '../../../core/errors.js';
import { bindFailure } from '../../../core/generations/ports/bind-failure.js';
import { sharingOf } from '../../../core/generations/ports/udp-sockets.js';
import { type EndpointId, shortId } from '../../../core/names.js';
import type { PortOwner } from '../../../core/ports/allocator.js';
import { bindingKey, hostAndPort, type PortBinding } from '../../../core/ports/port.js';
import type { PortGroup } from '../../../core/ports/requests.js';
import type { Listener, ListenFailure } from '../../host.js';
import { type EndpointState, hostPortsOf } from '../../state/registry.js';
import { saveEndpoint } from '../../state/saving.js';
import { portsChosen } from '../../state/transitions.js';
import type { World } from '../../world.js';

/** How often a range or ephemeral port is tried again with the next number. */
const maxAttempts = 100;

/** What a binding that is on record needs of the proxy process. */
export function listenerOf(
  { rules }: Pick<World, 'rules'>,
  userlandProxy: boolean,
  binding: PortBinding,
): Listener {
  const mode = userlandProxy ? 'forward' : 'reserve';
  return { binding, mode, sharing: sharingOf(rules.generationName, binding) };
}

/** A new listener is first opened alone; {@link shareHeld} tries to share a port that a program holds. */
function withoutSharing(listener: Listener): Listener {
  return listener.sharing === 'if-held' ? { ...listener, sharing: undefined } : listener;
}

/** For whom ports are bound: the engine, or an operator beside it. */
export interface BindingFor {
  readonly owner: PortOwner;
  /** Puts the chosen ports on the endpoint's record, in memory. */
  choose(bindings: readonly PortBinding[]): void;
}

function forEngine(state: EndpointState): BindingFor {
  const now = new Date().toISOString();
  return { owner: ownerOf(state), choose: (bindings) => portsChosen(state, bindings, now) };
}

/**
 * Opens one socket for each address of each group; a group that fails is tried with the next port of its
 * range. The record has the chosen ports before they are bound, so that releasing the record releases
 * them, however far this got.
 */
export async function bindPorts(
  world: Pick<World, 'allocator' | 'hostPorts' | 'rules' | 'store'>,
  state: EndpointState,
  groups: readonly PortGroup[],
  bindingFor: BindingFor = forEngine(state),
): Promise<void> {
  const tried: (readonly PortBinding[])[] = [];
  try {
    await tryPorts(world, state, groups, bindingFor, tried);
  } catch (error) {
    await dropGuards(world, state, tried).catch(() => {});
    throw error;
  }
  await dropGuards(world, state, tried);
}

/**
 * Removes guards from ports that could not be bound. Called when all other sockets are open: a port that is kept can need
 * the guard of one that was lost, of the same port of the container, or share one rule with it.
 *
 * @param tried the ports of each attempt
 */
async function dropGuards(
  { rules }: Pick<World, 'rules'>,
  { spec, network, record }: EndpointState,
  tried: readonly (readonly PortBinding[])[],
): Promise<void> {
  const kept = new Set(hostPortsOf(record).map(bindingKey));
  const isAsTried = tried.length < 2 && tried.flat().every((each) => kept.has(bindingKey(each)));
  if (!isAsTried) await rules.unguardPorts(network.spec, spec, tried, record);
}

/** @param tried gets the ports of each attempt, before they are guarded */
async function tryPorts(
  world: Pick<World, 'allocator' | 'hostPorts' | 'rules' | 'store'>,
  state: EndpointState,
  groups: readonly PortGroup[],
  { owner, choose }: BindingFor,
  tried: (readonly PortBinding[])[],
): Promise<void> {
  const { userlandProxy } = state.network.spec;
  const chosen = new Map<PortGroup, PortBinding[]>();
  const record = (): Promise<void> => {
    const bindings = groups.flatMap((group) => chosen.get(group) ?? []);
    choose(bindings);
    return saveEndpoint(world, state);
  };
  let open: readonly PortGroup[] = groups;
  for (let attempt = 1; open.length > 0 || attempt === 1; attempt += 1) {
    try {
      for (const group of open) chosen.set(group, world.allocator.take(group, owner));
    } finally {
      // From here on, releasing the record releases them.
      choose([...chosen.values()].flat());
    }
    const wanted = open.flatMap((group) => chosen.get(group) ?? []);
    const listeners = wanted.map((binding) =>
      withoutSharing(listenerOf(world, userlandProxy, binding)),
    );
    tried.push(wanted);
    await world.rules.guardPorts(state.network.spec, state.spec, wanted);
    // All are awaited, also after a failure: a port whose `open` is not answered yet cannot be released.
    const [opened, recorded, made] = await Promise.allSettled([
      world.hostPorts.open(state.spec.id, listeners),
      record(),
      world.rules.preparePorts(state.network.spec, state.spec, state.record),
    ]);
    if (recorded.status === 'rejected') throw recorded.reason;
    if (opened.status === 'rejected') throw opened.reason;
    if (made.status === 'rejected') throw made.reason;
    const failures = await shareHeld(world, state, chosen, opened.value);
    if (failures.length === 0) return;
    open = await retry(world, state, chosen, failures, attempt);
  }
  await record();
}

/** Names the endpoint in errors of others that want the same port. */
export const ownerOf = ({ spec, network }: EndpointState): PortOwner =>
  endpointOwner(spec.id, network.spec.bridge);

export const endpointOwner = (id: EndpointId, where: string): PortOwner => ({
  name: `endpoint ${shortId(id)} on ${where}`,
  wayOut: 'stop that container',
});

/**
 * Throws {@link DriverError} `port-allocated` if another endpoint has one of the ports. Ports of the
 * endpoint itself, and those that its siblings give up, count as free.
 */
export function refuseTaken(
  { allocator }: Pick<World, 'allocator'>,
  state: EndpointState,
  groups: readonly PortGroup[],
  freed: readonly { from: EndpointState; bindings: readonly PortBinding[] }[] = [],
): void {
  const { bindings } = state.record;
  if (bindings.length === 0 && freed.length === 0) return;
  const owner = ownerOf(state);
  const tried: PortBinding[] = [];
  allocator.release(bindings);
  for (const each of freed) allocator.release(each.bindings);
  try {
    for (const group of groups) tried.push(...allocator.take(group, owner));
  } finally {
    allocator.release(tried);
    allocator.add(bindings, owner);
    for (const each of freed) allocator.add(each.bindings, ownerOf(each.from));
  }
}

/**
 * Shares UDP ports that were asked for by number and are held by a program that lets others bind them
 * (SO_REUSEADDR), where the host's engine does so. A port that a container has from the engine's own driver
 * is never shared: one of the two containers would get nothing. Answers with what still fails.
 */
async function shareHeld(
  world: Pick<World, 'hostPorts' | 'rules'>,
  state: EndpointState,
  chosen: ReadonlyMap<PortGroup, readonly PortBinding[]>,
  failures: readonly ListenFailure[],
): Promise<readonly ListenFailure[]> {
  const exact = new Set(
    [...chosen].flatMap(
      ([
        {
          request: { hostPorts },
        },
        bindings,
      ]) => (hostPorts !== undefined && hostPorts.first === hostPorts.last ? bindings : []),
    ),
  );
  const { userlandProxy } = state.network.spec;
  const shared = failures
    .filter(({ code, listener }) => code === 'EADDRINUSE' && exact.has(listener.binding))
    .map(({ listener }) => listenerOf(world, userlandProxy, listener.binding))
    .filter(({ sharing }) => sharing === 'if-held');
  if (shared.length === 0) return failures;
  for (const { binding } of shared) {
    if (!(await world.rules.translates(binding))) continue;
    throw new DriverError(
      'port-allocated',
      `Bind for ${hostAndPort(binding.hostIp, binding.hostPort)} failed: port is already allocated (udp, by a ` +
        "container on a network of the engine's own driver); publish another host port, or stop that container",
    );
  }
  const tried = new Set(shared.map(({ binding }) => binding));
  const others = failures.filter(({ listener }) => !tried.has(listener.binding));
  return [...others, ...(await world.hostPorts.open(state.spec.id, shared))];
}

/** The groups to try again with other ports. Throws if one of them may have no other port. */
async function retry(
  world: Pick<World, 'allocator' | 'hostPorts' | 'rules'>,
  state: EndpointState,
  chosen: Map<PortGroup, PortBinding[]>,
  failures: readonly ListenFailure[],
  attempt: number,
): Promise<PortGroup[]> {
  const { userlandProxy } = state.network.spec;
  const failed = new Map(failures.map((failure) => [failure.listener.binding, failure]));
  const again: PortGroup[] = [];
  const siblings: Listener[] = [];
  for (const [group, bindings] of chosen) {
    const own = bindings.filter((binding) => failed.has(binding));
    if (own.length === 0) continue;
    const { hostIp, hostPorts } = group.request;
    const rest = bindings.filter((binding) => !failed.has(binding));
    if (hostIp === undefined && rest.length > 0 && own.every((b) => lacksIpv6(failed.get(b)))) {
      // A host without IPv6: a `::` that the request did not name is left out, as Docker does.
      world.allocator.release(own);
      chosen.set(group, rest);
      continue;
    }
    const first = own[0] === undefined ? undefined : failed.get(own[0]);
    if (first !== undefined && hostPorts?.first === hostPorts?.last && hostPorts !== undefined) {
      throw bindFailure(first, userlandProxy, world.rules.generationName);
    }
    if (first !== undefined && (attempt >= maxAttempts || first.code !== 'EADDRINUSE')) {
      throw bindFailure(first, userlandProxy, world.rules.generationName);
    }
    siblings.push(...rest.map((binding) => listenerOf(world, userlandProxy, binding)));
    world.allocator.release(bindings);
    again.push(group);
  }
  if (siblings.length > 0) await world.hostPorts.close(state.spec.id, siblings);
  return again;
}

function lacksIpv6(failure: ListenFailure | undefined): boolean {
  return (
    failure !== undefined &&
    familyOf(failure.listener.binding.hostIp) === 6 &&
    (failure.code === 'EAFNOSUPPORT' || failure.code === 'EADDRNOTAVAIL')
  );
}
