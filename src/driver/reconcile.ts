/**
 * Repair: what should be there, is. Runs when something outside has changed rules or links, and at
 * every start; touches only what is missing or wrong, and nothing of others.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Family } from '../core/address.js';
import { ErrorList, messageOf, wrapError } from '../core/errors.js';
import type { RuleChange } from '../core/firewall/rule-set.js';
import {
  bridgeLinkOf,
  describeLinkStep,
  type LinkStep,
  planBridge,
  planLinkUp,
  planVethRepair,
  vethLinkOf,
} from '../core/links.js';
import { shortId } from '../core/names.js';
import { applyLinkSteps } from './apply.js';
import type { NetworkState } from './registry.js';
import { repairSysctls, setBridgeSysctls } from './sysctl-repair.js';
import type { World } from './world.js';

/** With `dry-run` the answer is what would be done, and nothing is. */
export type When = 'start' | 'running' | 'dry-run';

/** Answers with what had to be done: `append filter FORWARD -i br-0 -o br-0 -j ACCEPT`. */
export async function repairRules(world: World, when: When = 'start'): Promise<string[]> {
  const changes = await world.rules.repair(world.log, () => when !== 'dry-run');
  if (when !== 'dry-run') await recordTerms(world);
  return changes.map(describeRuleChange);
}

/** Whether rules of a network are on the host in other words than they are written now. */
export function haveOtherTerms({ registry, rules }: World): boolean {
  return registry
    .networks()
    .some(({ spec, record }) => !isDeepStrictEqual(record.terms, rules.termsOf(spec)));
}

/** After a commit that has moved all rules over. What cannot be written is found out again. */
async function recordTerms(world: World): Promise<void> {
  if (!haveOtherTerms(world)) return;
  for (const state of world.registry.networks()) {
    const { id } = state.spec;
    await world.networkLocks.shared(id, async () => {
      if (world.registry.network(id) !== state) return;
      state.record = { ...state.record, terms: world.rules.termsOf(state.spec) };
      await world.store.write('network', id, state.record).catch((error) => {
        world.log.warn(
          { network: shortId(id), error: messageOf(error) },
          'recording a move failed',
        );
      });
    });
  }
}

/**
 * The same while the host is in use. An engine that starts looks for each of its chains, makes
 * those that it did not find, and ends if one has appeared meanwhile (spec section 1.2): unless it
 * has been quiet for long enough, nothing is done that takes making a chain.
 *
 * @param settled it has been quiet
 * @param families whose rules somebody has changed; the others are not looked at
 */
export async function repairRulesRunning(
  world: World,
  settled: boolean,
  families: readonly Family[] = [4, 6],
): Promise<string[] | 'unsettled'> {
  let unsettled = false;
  const changes = await world.rules.repair(
    world.log,
    (planned) => {
      unsettled ||= !settled && planned.some(({ op }) => op === 'create-chain');
      return !unsettled;
    },
    families,
  );
  if (unsettled) return 'unsettled';
  await recordTerms(world);
  return changes.map(describeRuleChange);
}

function describeRuleChange(change: RuleChange): string {
  return 'rule' in change
    ? `${change.op} ${change.rule.table} ${change.rule.chain} ${change.rule.text}`
    : `${change.op} ${change.table} ${change.chain}`;
}

/**
 * Bridges, addresses, ports on the bridge and sysctls. Answers with what had to be done:
 * `create bridge br-0`. A network that fails does not keep the others from repair.
 *
 * @param touched the links to look at, by network; without it all of all networks
 */
export async function repairLinks(
  world: World,
  when: When,
  touched?: ReadonlyMap<NetworkState, ReadonlySet<string>>,
): Promise<string[]> {
  const done: string[] = [];
  const errors = new ErrorList();
  for (const state of touched?.keys() ?? world.registry.networks()) {
    await errors.attempt(() =>
      // Shared is enough: it keeps the network from being deleted meanwhile.
      world.networkLocks.shared(state.spec.id, async () => {
        if (state.record.phase !== 'ready') return;
        await repairNetwork(world, state, when, touched?.get(state), done);
      }),
    );
  }
  if (errors.failed) {
    throw wrapError('repairing networks', new Error(errors.message), 'link-failed');
  }
  return done;
}

async function repairNetwork(
  world: World,
  state: NetworkState,
  when: When,
  touched: ReadonlySet<string> | undefined,
  done: string[],
): Promise<void> {
  const { spec } = state;
  const apply = async (steps: readonly LinkStep[]): Promise<void> => {
    if (when !== 'dry-run') await applyLinkSteps(world.links, steps);
    done.push(...steps.map(describeLinkStep));
  };
  const found = await world.links.find(spec.bridge);
  await apply(planBridge(bridgeLinkOf(spec), found));
  // While we run, all others are looked at by SysctlWatch.
  if (touched === undefined) done.push(...(await repairSysctls(world, spec, when)));
  else if (found === undefined) done.push(...(await setBridgeSysctls(world, spec)));
  await apply(planLinkUp(spec.bridge, found));
  const bridge = (found ?? (await world.links.find(spec.bridge)))?.index;
  for (const { spec: endpoint, record } of state.endpoints.values()) {
    const { host } = endpoint.veth;
    // A bridge that had to be made again has lost all its ports.
    if (record.phase !== 'ready' || (found && touched && !touched.has(host))) continue;
    const link = await world.links.find(host);
    if (link === undefined) continue;
    const wanted = vethLinkOf(spec, endpoint);
    await apply(planVethRepair(wanted, bridge, link));
  }
}
