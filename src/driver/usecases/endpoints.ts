/** CreateEndpoint, Join, Leave and DeleteEndpoint: veth pair, rules of the endpoint, record. */

import { isDeepStrictEqual } from 'node:util';
import { awaitedLater } from '../../background.js';
import type { Cidr, MacAddress } from '../../core/address.js';
import { DriverError, ErrorList, wrapError } from '../../core/errors.js';
import { shortId, vethNames } from '../../core/names.js';
import { type EndpointSpec, endpointLabel } from '../../core/network/endpoint.js';
import { isManaged } from '../../core/network/network.js';
import { segmentOf } from '../../core/segments/all.js';
import type { AskedEndpoint } from '../front-end.js';
import type { ProcessId } from '../host.js';
import type { EndpointRecord } from '../state/records.js';
import { type EndpointState, type NetworkState, portsToWrite } from '../state/registry.js';
import { saveEndpoint } from '../state/saving.js';
import { endpointMade, endpointRemoving } from '../state/transitions.js';
import type { World } from '../world.js';
import { limitNew, removeIfb } from './limits.js';
import { refuseMissingDevice } from './obstacles.js';
import { refuseUnheld, warnOfEgressIp } from './passage.js';
import { freeAdded } from './ports/added-ports.js';
import { forgetFlows, freePorts } from './ports/publish.js';
import { giveBack, inSandbox } from './ports/siblings.js';
import { isOver } from './proofs.js';

const nameAttempts = 4;

/** A repeated call with the same arguments succeeds; with others it is `endpoint-exists`. */
export async function createEndpoint(
  world: World,
  network: NetworkState,
  asked: AskedEndpoint,
  engine: ProcessId | undefined,
): Promise<{ mac: MacAddress | undefined }> {
  const frontEnd = world.frontEnds.of(asked);
  const { spec, macGiven, warnings } = frontEnd.readEndpoint(asked.input, network.spec);
  const answer = { mac: macGiven ? undefined : spec.mac };
  const label = endpointLabel(spec, network.spec);
  const kept = frontEnd.keepEndpoint(asked.input);
  const known = world.registry.endpoint(spec.id);
  if (known?.record.phase === 'removing' && known.network === network) {
    await removeEndpoint(world, known);
  } else if (known !== undefined) {
    const { record } = known;
    const same = record.frontEnd === frontEnd.name && isDeepStrictEqual(record.input, kept);
    if (same) return answer;
    throw new DriverError('endpoint-exists', `endpoint ${label} exists with other options`);
  }
  for (const warning of warnings) world.log.warn({ endpoint: shortId(spec.id) }, warning);
  refuseUnheld(world, network.spec, spec.passage);
  world.containerRoutes.refuseOfEndpoint(spec, network.spec);
  await makeRoom(world, network, spec);
  const state = await register(world, network, spec, {
    frontEnd: frontEnd.name,
    input: kept,
    engine,
  }).catch((error) => {
    throw error instanceof DriverError
      ? error
      : wrapError(`creating endpoint ${label}`, error, 'link-failed');
  });
  try {
    await saveEndpoint(world, state);
    const rules = world.rules.addEndpoint(network.spec, spec);
    awaitedLater(rules);
    const segment = segmentOf(network.spec);
    // Only an unmanaged bridge is looked up: the driver knows the MTU of one that it has made.
    const device = isManaged(network.spec)
      ? undefined
      : await world.links.find(network.spec.bridge);
    refuseMissingDevice(network.spec, device);
    await world.links.create(segment.endpointLink(network.spec, state.spec, device));
    // Limits are on the host's end, so that they are there before the engine moves the other end into the container.
    await limitNew(world, state);
    await rules;
    endpointMade(state);
    // Before the answer: a start removes what is `creating`, as something that the engine was never told of.
    await saveEndpoint(world, state);
    warnOfEgressIp(world, spec.passage, `endpoint ${label}`);
  } catch (error) {
    await removeEndpoint(world, state).catch(() => {});
    await world.removals.finished(spec.veth.host);
    throw wrapError(`creating endpoint ${label}`, error, 'link-failed');
  }
  return answer;
}

/** Finds free names for the veth pair: very seldom another endpoint's id begins with the same digits. */
async function register(
  world: Pick<World, 'links' | 'registry' | 'removals'>,
  network: NetworkState,
  spec: EndpointSpec,
  origin: Pick<EndpointRecord, 'frontEnd' | 'input' | 'engine'>,
): Promise<EndpointState> {
  for (let attempt = 0; attempt < nameAttempts; attempt += 1) {
    const veth = vethNames(spec.id, attempt);
    if (!(await world.removals.clear(veth.host))) continue;
    const taken = (await world.links.find(veth.host)) ?? (await world.links.find(veth.container));
    if (taken !== undefined) continue;
    return world.registry.addEndpoint(
      network,
      { ...spec, veth },
      {
        phase: 'creating',
        sequence: world.registry.nextSequence(),
        networkId: network.spec.id,
        endpointId: spec.id,
        ...origin,
        nameAttempt: attempt,
        sandboxKey: undefined,
        bindings: [],
        added: [],
        yielded: [],
        opened: [],
        exposed: [],
        publishedAt: undefined,
      },
    );
  }
  throw new DriverError(
    'link-failed',
    `creating endpoint ${endpointLabel(spec, network.spec)}: could not generate interface name: ` +
      `${vethNames(spec.id).host} and its alternatives are taken`,
  );
}

/**
 * Removes endpoints that have an address of the new one and are proved to be over. That IPAM has given the
 * address out again is no proof: engines release the IPv6 address of a container that has IPv6 switched
 * off. A holder that is in use stays, and the two share the rules about the address.
 */
async function makeRoom(world: World, network: NetworkState, spec: EndpointSpec): Promise<void> {
  for (const holder of sharers(world, network, spec)) {
    const fields = { network: shortId(network.spec.id), endpoint: shortId(holder.spec.id) };
    if (await isOver(world, holder)) {
      world.log.info(fields, `removing an endpoint whose engine has died: its address is needed`);
      await removeEndpoint(world, holder);
    } else {
      world.log.warn(
        fields,
        `the engine gave an address of this endpoint to endpoint ${shortId(spec.id)} as well`,
      );
    }
  }
}

/**
 * Removes ports, rules, link and record of an endpoint; goes on past failures and reports all of them. If
 * anything is left, the endpoint stays registered as `removing`, and its removal is tried again by a
 * repeated call, the deletion of its network, another endpoint that gets its address, or a start.
 */
export async function removeEndpoint(world: World, state: EndpointState): Promise<void> {
  const { spec, network } = state;
  const errors = new ErrorList();
  const shared = sharers(world, network, spec);
  const alone = withoutAddressesOf(spec, shared);
  endpointRemoving(state);
  const marked = await saveEndpoint(world, state).then(
    () => true,
    (error) => {
      // The disk may be full: deleting must work there above all, so it goes on.
      world.log.error({ endpoint: shortId(spec.id), error }, 'recording a removal failed');
      return false;
    },
  );
  await Promise.all([
    errors.attempt(async () => {
      // Another endpoint will get its address, so the flows that the container began must be forgotten, too.
      await inSandbox(world, state, async () => {
        if (!(await freePorts(world, state))) await forgetFlows(world, state, []);
        await freeAdded(world, state);
        await giveBack(world, state);
      });
    }),
    errors.attempt(() => world.rules.removeEndpoint(network.spec, alone)),
    errors.attempt(() => world.hostRoutes.removeOfEndpoint(state)),
    errors.attempt(() => world.neighbourProxies.removeOf(state)),
    errors.attempt(() => world.containerRoutes.removeOf(state)),
  ]);
  if (!errors.failed) world.registry.removeEndpoint(state);
  // Endpoints that share the address may have lost equal rules of ports with it: theirs are added again.
  for (const other of shared) {
    await errors.attempt(() => restateRules(world, other));
  }
  let forgotten: unknown;
  world.removals.begin(spec.veth.host, async () => {
    // If the removal of the link took several attempts, the engine may have made the same id anew.
    if (errors.failed || world.registry.endpoint(spec.id) !== undefined) return;
    try {
      // The ifb goes after the link, whose filter leads to it.
      await removeIfb(world, state);
      await world.store.remove('endpoint', spec.id);
    } catch (error) {
      forgotten = error;
      throw error;
    }
  });
  if (!marked) {
    await world.removals.finished(spec.veth.host);
    await errors.attempt(async () => {
      if (forgotten !== undefined) throw forgotten;
    });
  }
  if (errors.failed) {
    throw new DriverError(
      'link-failed',
      `deleting endpoint ${endpointLabel(spec, network.spec)}: ${errors.message}`,
    );
  }
}

/**
 * Adds the rules of an endpoint again. A call may be at work on it: ports that the call is releasing get no
 * rules, nor do ports whose sockets are not open yet.
 */
async function restateRules(world: Pick<World, 'rules'>, state: EndpointState): Promise<void> {
  const { spec, network } = state;
  if (state.record.phase === 'removing') return;
  // Both requests are queued in the same turn, so that a removal which a call begins later is committed later.
  await Promise.all([
    world.rules.addEndpoint(network.spec, spec),
    world.rules.addPorts(network.spec, spec, portsToWrite(state)),
  ]);
}

/** Other endpoints of the network that have one of its addresses. */
function sharers(
  { registry }: Pick<World, 'registry'>,
  network: NetworkState,
  { id, ipv4, ipv6 }: EndpointSpec,
): readonly EndpointState[] {
  const holders = [ipv4, ipv6].flatMap((cidr) =>
    cidr === undefined ? [] : registry.holders(network.spec.id, cidr.address),
  );
  return [...new Set(holders)].filter((other) => other.spec.id !== id);
}

/** The endpoint without the addresses that it shares: the rules about those stay for the others. */
function withoutAddressesOf(spec: EndpointSpec, others: readonly EndpointState[]): EndpointSpec {
  const free = (family: 'ipv4' | 'ipv6'): Cidr | undefined => {
    const { address } = spec[family] ?? {};
    const taken = others.some(
      ({ spec: other, record }) =>
        record.phase !== 'removing' && other[family]?.address === address,
    );
    return taken ? undefined : spec[family];
  };
  return { ...spec, ipv4: free('ipv4'), ipv6: free('ipv6') };
}
