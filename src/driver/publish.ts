/**
 * Publishing the ports of an endpoint: choose, bind, record, then rules. A port that cannot be
 * bound never gets a rule, so that no packet of another program is led astray.
 */
import { familyOf } from '../core/address.js';
import { bindFailure } from '../core/bind-failure.js';
import { refuseSeparate } from '../core/compact-requests.js';
import { DriverError, ErrorList } from '../core/errors.js';
import type { PlacedRule } from '../core/firewall/rule.js';
import { shortId } from '../core/names.js';
import { routedFamilies } from '../core/network.js';
import type { PortBinding } from '../core/port.js';
import type { PublishRequest } from '../core/port-options.js';
import { expandRequests, type PortGroup, type PublishContext, routedPorts } from '../core/ports.js';
import type { Listener, ListenFailure } from './host.js';
import { encodeEndpoint } from './records.js';
import type { EndpointState } from './registry.js';
import type { World } from './world.js';

/** How often a range or ephemeral port is tried again with the next number. */
const maxAttempts = 100;

/** Replaces what the endpoint has published. On failure nothing is published. */
export async function publishPorts(
  world: World,
  state: EndpointState,
  request: PublishRequest,
): Promise<void> {
  await releasePorts(world, state);
  const { spec, network } = state;
  const context: PublishContext = {
    containerIpv4: spec.ipv4?.address,
    containerIpv6: spec.ipv6?.address,
    hostBinding: network.spec.hostBinding ?? world.settings.defaultBindingIp,
    userlandProxy: network.spec.userlandProxy,
    ipv6Listenable: true,
    noProxy6To4: request.noProxy6To4,
    routed: routedFamilies(network.spec),
  };
  const expanded = expandRequests(request.requests, context);
  refuseSeparate(expanded, network.spec.portRules);
  const groups = world.rules.orderBindings(expanded);
  const { ports: opened, ignored } = routedPorts(request.requests, context);
  if (groups.length === 0 && opened.length === 0 && request.exposed.length === 0) return;
  for (const { protocol, containerPort, hostPorts } of ignored) {
    world.log.info(
      { endpoint: shortId(spec.id), protocol, containerPort, hostPort: hostPorts?.first },
      'Host port ignored, because NAT is disabled',
    );
  }
  state.record = { ...state.record, opened, exposed: request.exposed };
  try {
    state.publishing = 'sockets';
    const rules = await bind(world, state, groups);
    state.publishing = 'rules';
    await world.rules.add(rules);
    // Only now: a client that goes on sending would bring the old flow back before the rules.
    await forgetUdpFlows(world, state.record.bindings);
  } catch (error) {
    // Also if that cannot be recorded.
    await releasePorts(world, state).catch(() => freePorts(world, state).catch(() => {}));
    throw error;
  } finally {
    state.publishing = undefined;
  }
}

/**
 * What {@link freePorts} does, on record before: if that fails nothing is released, and a start does
 * not publish again what was.
 */
export async function releasePorts(world: World, state: EndpointState): Promise<void> {
  const { bindings, opened, exposed } = state.record;
  if (bindings.length === 0 && opened.length === 0 && exposed.length === 0) return;
  const bare = { ...state.record, bindings: [], opened: [], exposed: [] };
  const record = { ...bare, released: { bindings, opened } };
  await world.store.write('endpoint', state.spec.id, encodeEndpoint(record));
  await freePorts(world, state);
}

/** Finishes at a start what {@link releasePorts} had on record. */
export async function finishRelease(world: World, state: EndpointState): Promise<void> {
  const { released, ...record } = state.record;
  if (released === undefined) return;
  await world.rules.remove(world.rules.ofPorts(state.network.spec, released));
  await forgetFlows(world, state, released.bindings);
  state.record = record;
  await world.store.write('endpoint', state.spec.id, encodeEndpoint(record));
}

/**
 * Rules, sockets, conntrack entries and host ports of the endpoint; absent ones are no error.
 * Answers with false if nothing was published.
 */
export async function freePorts(world: World, state: EndpointState): Promise<boolean> {
  const { bindings, opened, exposed } = state.record;
  if (bindings.length === 0 && opened.length === 0 && exposed.length === 0) return false;
  const errors = new ErrorList();
  // Out of the intent first, so that a repair does not put the rules back.
  state.record = { ...state.record, bindings: [], opened: [], exposed: [] };
  // The sockets first: while their process closes them, the rules are made out.
  const closed = errors.attempt(() => world.hostPorts.close(state.spec.id));
  const rules = world.rules.ofPorts(state.network.spec, { bindings, opened });
  await Promise.all([closed, errors.attempt(() => world.rules.remove(rules))]);
  await errors.attempt(() => forgetFlows(world, state, bindings));
  if (errors.failed) {
    // Whoever comes next (Leave, DeleteEndpoint, a start) tries again.
    state.record = { ...state.record, bindings, opened, exposed };
    throw new DriverError('firewall-failed', `releasing published ports: ${errors.message}`);
  }
  world.allocator.release(bindings);
  return true;
}

/** What a binding needs of the proxy process. */
export function listenerOf(userlandProxy: boolean, binding: PortBinding): Listener {
  return { binding, mode: userlandProxy ? 'forward' : 'reserve' };
}

/**
 * One socket for each address of each group; the groups that fail move on within their range. What
 * is chosen is on record before it is known whether it can be had: sockets and record take their
 * time together, and whoever releases the record releases them.
 *
 * @returns the rules of what was chosen, made out while the sockets are opened
 */
async function bind(
  world: World,
  state: EndpointState,
  groups: readonly PortGroup[],
): Promise<PlacedRule[]> {
  const { userlandProxy, bridge } = state.network.spec;
  const owner = `endpoint ${shortId(state.spec.id)} on ${bridge}`;
  const chosen = new Map<PortGroup, PortBinding[]>();
  const record = (): Promise<void> => {
    const bindings = groups.flatMap((group) => chosen.get(group) ?? []);
    state.record = { ...state.record, bindings };
    return world.store.write('endpoint', state.spec.id, encodeEndpoint(state.record));
  };
  let open: readonly PortGroup[] = groups;
  for (let attempt = 1; open.length > 0 || attempt === 1; attempt += 1) {
    try {
      for (const group of open) chosen.set(group, world.allocator.take(group, owner));
    } finally {
      // Whatever happens next, they are released with the record.
      state.record = { ...state.record, bindings: [...chosen.values()].flat() };
    }
    const wanted = open.flatMap((group) => chosen.get(group) ?? []);
    const listeners = wanted.map((binding) => listenerOf(userlandProxy, binding));
    const opening = Promise.all([world.hostPorts.open(state.spec.id, listeners), record()]);
    const rules = world.rules.ofPorts(state.network.spec, state.record);
    const [failures] = await opening;
    if (failures.length === 0) return rules;
    open = await retry(world, state, chosen, failures, attempt);
  }
  await record();
  return world.rules.ofPorts(state.network.spec, state.record);
}

/** The groups to try again with other ports. Throws if one of them has no other. */
async function retry(
  world: World,
  state: EndpointState,
  chosen: Map<PortGroup, PortBinding[]>,
  failures: readonly ListenFailure[],
  attempt: number,
): Promise<PortGroup[]> {
  if (failures.length === 0) return [];
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
      // A host without IPv6: the `::` that nobody asked for is left out, as Docker does.
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
    siblings.push(...rest.map((binding) => listenerOf(userlandProxy, binding)));
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

/** As Docker does when ports come and go (spec section 3.6), and by host port on both occasions. */
export async function forgetFlows(
  world: World,
  { spec }: EndpointState,
  bindings: readonly PortBinding[],
): Promise<void> {
  const addresses = [spec.ipv4, spec.ipv6].flatMap((cidr) => (cidr ? [cidr.address] : []));
  // At once: they share a walk through the kernel's table.
  await Promise.all([forgetUdpFlows(world, bindings), world.conntrack.removeFlowsOf(addresses)]);
}

/**
 * By host port alone when ports come: of the container's address there is nothing left since its
 * last holder went, and the kernel walks through its whole table for every look (10 to 20 ms).
 */
async function forgetUdpFlows(world: World, bindings: readonly PortBinding[]): Promise<void> {
  const udp = bindings
    .filter(({ protocol }) => protocol === 'udp')
    .map(({ hostIp, hostPort }) => ({ family: familyOf(hostIp), port: hostPort }));
  if (udp.length > 0) await world.conntrack.removeUdpFlowsTo(udp);
}
