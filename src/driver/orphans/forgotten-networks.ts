/**
 * Networks that the engine may have forgotten. If the daemon dies while it creates or deletes a
 * network, the engine repeats the call without its body, is answered with an error, and goes on
 * without the network; it does not say which one that was. The same if the engine dies before it has
 * recorded a network that it has just made. Nothing on the host tells such a network from one that
 * has no containers at the moment, so none is removed but by an operator who says so.
 */
import { cidrText } from '../../core/address.js';
import { DriverError } from '../../core/errors.js';
import { type InterfaceName, type NetworkId, shortId } from '../../core/names.js';
import { networkLabel, subnetsOf } from '../../core/network/network.js';
import { isLeased } from '../state/leased.js';
import type { EndpointState, NetworkState } from '../state/registry.js';
import { deleteNetwork } from '../usecases/networks.js';
import type { World } from '../world.js';
import { collectIfDead } from './dead-endpoints.js';

/** What an operator is told of one. */
export interface ForgottenNetwork {
  /** Whole, for `docker network ls --no-trunc`. */
  readonly id: NetworkId;
  readonly bridge: string;
  /** false: the bridge was there before the network, and stays. */
  readonly bridgeGoes: boolean;
  readonly subnets: readonly string[];
}

/**
 * Candidates: networks without containers that no engine has used since the engine or the daemon started.
 * After a boot these are all networks that have no container yet.
 */
export function forgottenCandidates({ registry }: Pick<World, 'registry'>): ForgottenNetwork[] {
  return registry
    .networks()
    .filter((state) => {
      const { former, endpoints, record } = state;
      return former && endpoints.size === 0 && record.phase !== 'creating' && !isLeased(state);
    })
    .map(describe);
}

/**
 * Removes a network at an operator's word: rules, bridge and record.
 *
 * @param name an id, its first digits, or the name of a bridge
 * @param dryRun answers with what would go, and removes nothing
 * @throws {DriverError} `network-unknown`, or `network-busy` while a container or an engine uses it
 */
export async function forgetNetwork(
  world: World,
  name: string,
  dryRun: boolean,
): Promise<ForgottenNetwork> {
  const state = findNetwork(world, name);
  if (isLeased(state)) {
    throw new DriverError(
      'network-busy',
      `network ${networkLabel(state.spec)} is one of tsbridge connectivity-test, and goes when that ends, or at the next start of the daemon`,
    );
  }
  const endpoints = [...state.endpoints.values()];
  for (const endpoint of endpoints) await collectIfDead(world, endpoint);
  await refuseBusy(world, state);
  const network = describe(state);
  if (dryRun) return network;
  const { id } = state.spec;
  await world.networkLocks.exclusive(id, async () => {
    if (world.registry.network(id) !== state) return;
    await refuseBusy(world, state);
    world.log.warn(
      { network: shortId(id), bridge: network.bridge },
      'an operator forgets a network',
    );
    await deleteNetwork(world, id);
  });
  for (const link of [...endpoints.map(({ spec }) => spec.veth.host), state.spec.bridge]) {
    const left = await whatIsLeft(world, link);
    if (left === undefined) continue;
    throw new DriverError('link-failed', `network ${networkLabel(state.spec)}: ${left}`);
  }
  return network;
}

/**
 * Waits until a link that is being removed is gone, and with it the record of its network or endpoint.
 *
 * @returns what is left after that, in words; undefined if nothing is
 */
export async function whatIsLeft(
  { removals }: Pick<World, 'removals'>,
  link: InterfaceName,
): Promise<string | undefined> {
  if (await removals.clear(link)) return undefined;
  return `${link} could not be removed, or its record not deleted: the daemon's log has the reason, and it is tried again`;
}

function findNetwork({ registry }: Pick<World, 'registry'>, name: string): NetworkState {
  const named = registry.networks().filter(({ spec }) => {
    return spec.bridge === name || (/^[0-9a-z]{4,64}$/.test(name) && spec.id.startsWith(name));
  });
  const [only, other] = named;
  if (only !== undefined && other === undefined) return only;
  throw new DriverError(
    'network-unknown',
    only === undefined
      ? `no network of tsbridge has the id or the bridge ${JSON.stringify(name)}: tsbridge ` +
          'reconcile lists those that can be forgotten (names that a person gave are not known here)'
      : `${name} is the beginning of ${named.length} ids: ${named.map(({ spec }) => networkLabel(spec)).join(', ')}`,
  );
}

async function refuseBusy(
  { links, frontEnds }: Pick<World, 'links' | 'frontEnds'>,
  state: NetworkState,
): Promise<void> {
  const used = [...state.endpoints.keys()].map(shortId);
  if (used.length > 0) {
    throw new DriverError(
      'network-busy',
      `network ${networkLabel(state.spec)} has ${used.length} endpoints that are not proven dead ` +
        `(${used.slice(0, 5).join(', ')}): stop their containers or disconnect them`,
    );
  }
  const inUse = await whyInUse({ links }, state);
  if (inUse !== undefined) {
    throw new DriverError(
      'network-busy',
      `network ${networkLabel(state.spec)} is in use: ${inUse}`,
    );
  }
  if (state.former || state.record.phase === 'removing') return;
  throw new DriverError(
    'network-busy',
    `network ${networkLabel(state.spec)} was made or used by the engine since the last start of both, so the ` +
      `engine knows it: remove it with "${frontEnds.of(state.record).words.removeNetwork}"`,
  );
}

/**
 * What is on its bridge, in words; undefined if nothing is.
 *
 * @param over endpoints that are not counted, because they go first
 */
export async function whyInUse(
  { links }: Pick<World, 'links'>,
  { spec }: NetworkState,
  over: ReadonlySet<EndpointState> = new Set(),
): Promise<string | undefined> {
  const all = await links.list();
  const bridge = all.find(({ name }) => name === spec.bridge);
  const passed = new Set<string>([...over].map((endpoint) => endpoint.spec.veth.host));
  const port = all.find(
    ({ name, master }) => master !== undefined && master === bridge?.index && !passed.has(name),
  );
  return port === undefined ? undefined : `${port.name} is on its bridge, and may be a container's`;
}

export function describe({ spec, record }: NetworkState): ForgottenNetwork {
  const subnets = subnetsOf(spec).map(cidrText);
  return { id: spec.id, bridge: spec.bridge, bridgeGoes: record.bridgeMade, subnets };
}
