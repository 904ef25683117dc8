/** CreateEndpoint, Join, Leave and DeleteEndpoint: veth pair, rules of the endpoint, record. */

import { isDeepStrictEqual } from 'node:util';
import { awaitedLater } from '../../background.js';
import type { Cidr, MacAddress } from '../../core/address.js';
import { DriverError, ErrorList, wrapError } from '../../core/errors.js';
import { shortId, vethNames } from '../../core/names.js';
import type { EndpointSpec } from '../../core/network/endpoint.js';
import { segmentOf } from '../../core/segments/all.js';
import type { AskedEndpoint } from '../front-end.js';
import type { ProcessId } from '../host.js';
import type { EndpointRecord } from '../state/records.js';
import { type EndpointState, type NetworkState, portsToWrite } from '../state/registry.js';
import { saveEndpoint } from '../state/saving.js';
import { endpointMade, endpointRemoving } from '../state/transitions.js';
import type { World } from '../world.js';
import { isOver } from './proofs.js';
import { forgetFlows, freePorts } from './publish.js';
import { giveBack, inSandbox } from './siblings.js';

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
  const label = labelOf(spec, network);
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
    await world.links.create(segmentOf(network.spec).endpointLink(network.spec, state.spec));
    await rules;
    endpointMade(state);
    // Before the answer: what is still `creating` at a start was never told to the engine.
    await saveEndpoint(world, state);
  } catch (error) {
    await removeEndpoint(world, state).catch(() => {});
    await world.removals.finished(spec.veth.host);
    throw wrapError(`creating endpoint ${label}`, error, 'link-failed');
  }
  return answer;
}

/** Finds free names for the pair: another endpoint's digits can be the same, if very seldom. */
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
        yielded: [],
        opened: [],
        exposed: [],
      },
    );
  }
  throw new DriverError(
    'link-failed',
    `creating endpoint ${labelOf(spec, network)}: could not generate interface name: ` +
      `${vethNames(spec.id).host} and its alternatives are taken`,
  );
}

/**
 * An address that is given out again is no proof that its holder is dead: engines release the IPv6
 * address of a container that has IPv6 switched off. A holder that is over makes room; another one
 * stays, and the two share what rules say of the address.
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
 * Ports, rules, link and record of an endpoint; goes on past failures and reports all of them. With
 * anything left it stays known as `removing`, and the next one that meets it tries again: a
 * repeated call, the deletion of its network, another endpoint that gets its address, a start.
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
      // A full disk: deleting must work there above all.
      world.log.error({ endpoint: shortId(spec.id), error }, 'recording a removal failed');
      return false;
    },
  );
  await Promise.all([
    errors.attempt(async () => {
      // Its address is given to another one: also the flows that it has begun itself must go.
      await inSandbox(world, state, async () => {
        if (!(await freePorts(world, state))) await forgetFlows(world, state, []);
        await giveBack(world, state);
      });
    }),
    errors.attempt(() => world.rules.removeEndpoint(network.spec, alone)),
  ]);
  if (!errors.failed) world.registry.removeEndpoint(state);
  // Rules of ports on the shared address can be the same, too: they are stated again.
  for (const other of shared) {
    await errors.attempt(() => restateRules(world, other));
  }
  let forgotten: unknown;
  world.removals.begin(spec.veth.host, async () => {
    // Another of the same id may have come meanwhile, if the link was stuck.
    if (errors.failed || world.registry.endpoint(spec.id) !== undefined) return;
    try {
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
      `deleting endpoint ${labelOf(spec, network)}: ${errors.message}`,
    );
  }
}

/**
 * Of an endpoint on which calls may be at work meanwhile: what they are taking away is not brought back, and
 * ports get no rule before their sockets are open.
 */
async function restateRules(world: Pick<World, 'rules'>, state: EndpointState): Promise<void> {
  const { spec, network } = state;
  if (state.record.phase === 'removing') return;
  // Both are asked for before anything is waited for: a removal that begins later comes later.
  await Promise.all([
    world.rules.addEndpoint(network.spec, spec),
    world.rules.addPorts(network.spec, spec, portsToWrite(state)),
  ]);
}

/** Other endpoints of the network that have one of its addresses, and are not on their way out. */
function sharers(
  { registry }: Pick<World, 'registry'>,
  network: NetworkState,
  { id, ipv4, ipv6 }: EndpointSpec,
): readonly EndpointState[] {
  const found = [ipv4, ipv6].flatMap((cidr) =>
    cidr === undefined ? [] : registry.holders(network.spec.id, cidr.address),
  );
  return [...new Set(found)].filter((other) => other.spec.id !== id);
}

/** What the endpoint has for itself: what rules say of a shared address stays for the other. */
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

export function labelOf(spec: EndpointSpec, network: NetworkState): string {
  return `${shortId(spec.id)} on network ${shortId(network.spec.id)} (${network.spec.bridge})`;
}
