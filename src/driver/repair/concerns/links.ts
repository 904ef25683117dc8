/**
 * Repair of bridges, addresses, ports on the bridge and, with all of a network, its sysctls. Runs
 * when something outside has changed links, and at every start.
 */
import { ErrorList, wrapError } from '../../../core/errors.js';
import { describeLinkStep, type LinkStep, type ObservedLink } from '../../../core/network/links.js';
import { isManaged, networkLabel } from '../../../core/network/network.js';
import { segmentOf } from '../../../core/segments/all.js';
import type { NetworkState } from '../../state/registry.js';
import { applyLinkSteps } from '../../usecases/apply.js';
import type { World } from '../../world.js';
import type { Signs } from '../signs.js';
import type { Concern, Occasion, ReadAtStart } from './concern.js';
import type { When } from './rules.js';
import { repairSysctls, setBridgeSysctls } from './sysctls.js';

/** A list of all links takes as long as asking for one link in so many. */
const listedInTheTimeOf = 4;
/** For fewer links than this a list saves nothing. */
const fewLinks = 10;

/** The parts of the world that are needed to compare links and to repair them. */
export type ComparingLinks = Pick<
  World,
  'links' | 'loadModule' | 'log' | 'networkLocks' | 'registry' | 'rules' | 'settings' | 'sysctls'
>;

/** Names of the links to compare, by network. */
type TouchedLinks = ReadonlyMap<NetworkState, ReadonlySet<string>>;

/**
 * Answers with what had to be done: `create bridge br-0`. A network that fails does not keep the
 * others from repair.
 *
 * @param touched without it all links of all networks, and their sysctls
 * @param known all links, if the caller has just listed them
 */
export async function repairLinks(
  world: ComparingLinks,
  when: When,
  touched?: TouchedLinks,
  known?: readonly ObservedLink[],
): Promise<string[]> {
  const done: string[] = [];
  const errors = new ErrorList();
  const networks = [...(touched?.keys() ?? world.registry.networks())];
  const listed =
    touched === undefined || areMany(world, touched)
      ? new Map((known ?? (await world.links.list())).map((link) => [link.name, link]))
      : undefined;
  for (const state of networks) {
    await errors.attempt(() =>
      // A shared lock is enough: the network cannot be deleted meanwhile.
      world.networkLocks.shared(state.spec.id, async () => {
        if (state.record.phase !== 'ready') return;
        const names = listed ? wrongLinks(state, listed) : (touched?.get(state) ?? new Set());
        // While the daemon runs, SettingConcern repairs sysctls.
        const wholly = touched === undefined;
        done.push(...(await repairNetwork(world, state, when, names, wholly)));
      }),
    );
  }
  if (errors.failed) {
    throw wrapError('repairing networks', new Error(errors.message), 'link-failed');
  }
  return done;
}

function areMany({ registry }: Pick<World, 'registry'>, touched: TouchedLinks): boolean {
  const count = [...touched.values()].reduce((sum, names) => sum + names.size, 0);
  const all = registry.networks().length + registry.endpoints().length;
  return count > fewLinks && count * listedInTheTimeOf > all;
}

/**
 * The links that differ by this list. Before a repair each of them is read again, since a list may be old.
 */
function wrongLinks(
  { spec, endpoints }: NetworkState,
  listed: ReadonlyMap<string, ObservedLink>,
): Set<string> {
  const wrong = new Set<string>();
  const segment = segmentOf(spec);
  const device = listed.get(spec.bridge);
  const steps = [
    ...segment.planDevice(spec, device),
    ...segment.planAddresses(spec, device),
    ...segment.planUp(spec, device),
  ];
  // Nothing is planned for an unmanaged bridge that is missing, and it is told of.
  const isMissing = device === undefined && !isManaged(spec);
  if (steps.length > 0 || isMissing) wrong.add(spec.bridge);
  for (const { spec: endpoint, record } of endpoints.values()) {
    const link = listed.get(endpoint.veth.host);
    if (record.phase !== 'ready' || link === undefined) continue;
    if (segment.planEndpoint(spec, endpoint, device, link).length > 0) wrong.add(link.name);
  }
  return wrong;
}

async function repairNetwork(
  world: ComparingLinks,
  state: NetworkState,
  when: When,
  names: ReadonlySet<string>,
  withSysctls: boolean,
): Promise<string[]> {
  const { spec } = state;
  const segment = segmentOf(spec);
  if (names.size === 0) return withSysctls ? repairSysctls(world, spec, when) : [];
  const done: string[] = [];
  const apply = async (steps: readonly LinkStep[]): Promise<void> => {
    if (when !== 'dry-run') await applyLinkSteps(world.links, steps);
    done.push(...steps.map(describeLinkStep));
  };
  const observed = await world.links.find(spec.bridge);
  await apply(segment.planDevice(spec, observed));
  // Before the addresses: the kernel refuses them while IPv6 is switched off on the bridge.
  const settingsFirst = observed !== undefined && segment.planAddresses(spec, observed).length > 0;
  if (withSysctls || settingsFirst) done.push(...(await repairSysctls(world, spec, when)));
  else if (observed === undefined) done.push(...(await setBridgeSysctls(world, spec, when)));
  await apply(segment.planAddresses(spec, observed));
  await apply(segment.planUp(spec, observed));
  if (observed === undefined && !isManaged(spec) && when !== 'dry-run') {
    world.log.warn(
      { bridge: spec.bridge },
      `the bridge of network ${networkLabel(spec)} is missing: with tsbridge.bridge=unmanaged none is made; when it is ` +
        'there again, its containers become ports of it',
    );
  }
  const device = observed ?? (await world.links.find(spec.bridge));
  for (const { spec: endpoint, record } of state.endpoints.values()) {
    const { host } = endpoint.veth;
    // A bridge that had to be made again has lost all its ports.
    if (record.phase !== 'ready' || (observed && !names.has(host))) continue;
    const link = await world.links.find(host);
    if (link === undefined) continue;
    await apply(segment.planEndpoint(spec, endpoint, device, link));
  }
  return done;
}

/** Bridges, their addresses, and the ports on them. */
export class LinkConcern implements Concern {
  readonly name = 'links';
  readonly signs = ['start', 'links'] as const;

  constructor(private readonly world: ComparingLinks) {}

  differences(): Promise<string[]> {
    return repairLinks(this.world, 'dry-run', allLinks(this.world));
  }

  /** At a start with all settings of a network: a bridge that is made gets them before it is up. */
  async repair(occasion: Occasion, { links }: Signs, read?: ReadAtStart): Promise<string[]> {
    if (occasion === 'start') return repairLinks(this.world, 'start', undefined, read?.links);
    const touched = links === 'any' ? allLinks(this.world) : byNetwork(this.world, links);
    return repairLinks(this.world, 'running', touched);
  }
}

function allLinks({ registry }: Pick<World, 'registry'>): TouchedLinks {
  return new Map(
    registry.networks().map((network) => {
      const hosts = [...network.endpoints.values()].map(({ spec }) => spec.veth.host);
      return [network, new Set<string>([network.spec.bridge, ...hosts])];
    }),
  );
}

/** The changed links by their networks, without those whose network or endpoint is gone by now. */
function byNetwork(
  { registry }: Pick<World, 'registry'>,
  links: ReadonlySet<string>,
): TouchedLinks {
  const touched = new Map<NetworkState, Set<string>>();
  for (const link of links) {
    const owner = registry.ownerOf(link);
    if (owner === undefined) continue;
    const names = touched.get(owner) ?? new Set();
    touched.set(owner, names.add(link));
    // A bridge that somebody else has made again has none of its ports, which are reported no more.
    if (link !== owner.spec.bridge || isManaged(owner.spec)) continue;
    for (const { spec } of owner.endpoints.values()) names.add(spec.veth.host);
  }
  return touched;
}
