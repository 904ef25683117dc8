/**
 * Repair: what should be there, is. Runs when something outside has changed rules or links, and on
 * request; touches only what is missing or wrong, and nothing of others.
 */
import { messageOf } from '../core/errors.js';
import {
  bridgeLinkOf,
  describeLinkStep,
  type LinkStep,
  type ObservedLink,
  planBridge,
  planLinkUp,
  planVethRepair,
  vethLinkOf,
} from '../core/links.js';
import { bridgeSysctls } from '../core/sysctls.js';
import { applyLinkSteps, applySysctls } from './apply.js';
import { ensureForwarding } from './forwarding.js';
import type { GenerationChoice } from './generation-choice.js';
import type { EndpointState, NetworkState } from './registry.js';
import type { World } from './world.js';

export interface Repair {
  /** Lines such as `create bridge br-0`, in the order in which they were done. */
  readonly links: readonly string[];
  /** Rules put back, e.g. `filter FORWARD -i br-0 -o br-0 -j ACCEPT`. */
  readonly rules: readonly string[];
}

/** Rules first: they are what protects. Both parts are tried, whatever becomes of the other. */
export async function reconcile(world: World, choice: GenerationChoice): Promise<Repair> {
  const [rules, links] = await Promise.allSettled([
    reconcileRules(world, choice),
    reconcileLinks(world),
  ]);
  if (rules.status === 'rejected') throw rules.reason;
  if (links.status === 'rejected') throw links.reason;
  return { links: links.value, rules: rules.value };
}

/** One commit a family; after an upgrade of the engine it also moves our rules over. */
export async function reconcileRules(world: World, choice: GenerationChoice): Promise<string[]> {
  const { rules, registry } = world;
  const [found, found6] = await Promise.all([rules.read(4), rules.read(6)]);
  const former = found === undefined ? undefined : choice.observe(found, found6);
  if (former !== undefined) {
    world.log.info(
      { from: former.name, to: choice.current.name },
      'the engine writes another generation of rules; ours move over',
    );
  }
  if (registry.networks().length === 0) return [];
  const changes = await rules.repair(
    () => rules.ofAll(registry),
    () => (former === undefined ? [] : rules.ofAll(registry, former)),
  );
  return changes.map((change) =>
    'rule' in change
      ? `${change.op} ${change.rule.table} ${change.rule.chain} ${change.rule.text}`
      : `${change.op} ${change.table} ${change.chain}`,
  );
}

/** Sysctls are looked at every time: nothing tells of their changes, and a look costs microseconds. */
async function reconcileLinks(world: World): Promise<string[]> {
  const networks = world.registry.networks().filter(({ record }) => record.phase === 'ready');
  if (networks.length === 0) return [];
  const links = new Map((await world.links.list()).map((link) => [link.name, link]));
  const done: string[] = [];
  for (const state of networks) {
    try {
      if (planNetwork(world, state, links).length === 0) await ensureSettings(world, state);
      else {
        await world.networkLocks.exclusive(state.spec.id, async () => {
          if (state.record.phase === 'ready') await repairNetwork(world, state, done);
        });
      }
    } catch (error) {
      const { bridge } = state.spec;
      world.log.error({ bridge, error: messageOf(error) }, 'repairing a network failed');
    }
  }
  return done;
}

async function ensureSettings(world: World, { spec }: NetworkState): Promise<void> {
  await applySysctls(world.sysctls, bridgeSysctls(spec, world.settings.userlandProxy));
  await ensureForwarding(world, spec);
}

/** With the network locked: looks again, since a call may have been at work meanwhile. */
async function repairNetwork(world: World, state: NetworkState, done: string[]): Promise<void> {
  const { spec } = state;
  const apply = async (steps: readonly LinkStep[]): Promise<void> => {
    await applyLinkSteps(world.links, steps);
    done.push(...steps.map(describeLinkStep));
  };
  const found = await world.links.find(spec.bridge);
  await apply(planBridge(bridgeLinkOf(spec), found));
  await ensureSettings(world, state);
  await apply(planLinkUp(spec.bridge, found));
  const bridge = (found ?? (await world.links.find(spec.bridge)))?.index;
  for (const endpoint of state.endpoints.values()) {
    const link = await world.links.find(endpoint.spec.veth.host);
    if (link !== undefined) await apply(planVethRepair(wantedVeth(world, endpoint), bridge, link));
  }
}

function planNetwork(
  world: World,
  { spec, endpoints }: NetworkState,
  links: ReadonlyMap<string, ObservedLink>,
): LinkStep[] {
  const bridge = links.get(spec.bridge);
  return [
    ...planBridge(bridgeLinkOf(spec), bridge),
    ...planLinkUp(spec.bridge, bridge),
    ...[...endpoints.values()].flatMap((endpoint) => {
      const link = links.get(endpoint.spec.veth.host);
      if (link === undefined) return [];
      return planVethRepair(wantedVeth(world, endpoint), bridge?.index, link);
    }),
  ];
}

const wantedVeth = (world: World, { spec, network }: EndpointState) =>
  vethLinkOf(network.spec, spec, world.settings.userlandProxy);
