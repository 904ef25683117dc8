/**
 * The host ports of an endpoint: choose, bind, record. Sockets and record take their time together,
 * and meanwhile the rules are made out.
 */
import { familyOf } from '../../core/address.js';
import { bindFailure } from '../../core/generations/bind-failure.js';
import { shortId } from '../../core/names.js';
import type { PortBinding } from '../../core/ports/port.js';
import type { PortGroup } from '../../core/ports/requests.js';
import type { Listener, ListenFailure } from '../host.js';
import type { EndpointState } from '../state/registry.js';
import { saveEndpoint } from '../state/saving.js';
import { portsChosen } from '../state/transitions.js';
import type { World } from '../world.js';

/** How often a range or ephemeral port is tried again with the next number. */
const maxAttempts = 100;

/** What a binding needs of the proxy process. */
export function listenerOf(userlandProxy: boolean, binding: PortBinding): Listener {
  return { binding, mode: userlandProxy ? 'forward' : 'reserve' };
}

/**
 * One socket for each address of each group; the groups that fail move on within their range. What
 * is chosen is on record before it is known whether it can be had, and releasing the record
 * releases it. The rules are made out while the sockets are opened.
 */
export async function bindPorts(
  world: Pick<World, 'allocator' | 'hostPorts' | 'rules' | 'store'>,
  state: EndpointState,
  groups: readonly PortGroup[],
): Promise<void> {
  const { userlandProxy } = state.network.spec;
  const owner = ownerOf(state);
  const chosen = new Map<PortGroup, PortBinding[]>();
  const record = (): Promise<void> => {
    const bindings = groups.flatMap((group) => chosen.get(group) ?? []);
    portsChosen(state, bindings);
    return saveEndpoint(world, state);
  };
  let open: readonly PortGroup[] = groups;
  for (let attempt = 1; open.length > 0 || attempt === 1; attempt += 1) {
    try {
      for (const group of open) chosen.set(group, world.allocator.take(group, owner));
    } finally {
      // Whatever happens next, they are released with the record.
      portsChosen(state, [...chosen.values()].flat());
    }
    const wanted = open.flatMap((group) => chosen.get(group) ?? []);
    const listeners = wanted.map((binding) => listenerOf(userlandProxy, binding));
    // Whatever becomes of one, the others are waited for: what is on its way cannot be released.
    const [opened, recorded, made] = await Promise.allSettled([
      world.hostPorts.open(state.spec.id, listeners),
      record(),
      world.rules.preparePorts(state.network.spec, state.spec, state.record),
    ]);
    if (recorded.status === 'rejected') throw recorded.reason;
    if (opened.status === 'rejected') throw opened.reason;
    if (made.status === 'rejected') throw made.reason;
    if (opened.value.length === 0) return;
    open = await retry(world, state, chosen, opened.value, attempt);
  }
  await record();
}

/** For errors of other endpoints that want the same port. */
export const ownerOf = ({ spec, network }: EndpointState): string =>
  `endpoint ${shortId(spec.id)} on ${network.spec.bridge}`;

/**
 * As if the endpoint had published nothing yet, and what its siblings give up were free. Throws
 * {@link DriverError} `port-allocated` if others have one of the ports.
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

/** The groups to try again with other ports. Throws if one of them has no other. */
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
