/**
 * Repair of rules: what should be there, is. Runs when something outside has changed them, and at
 * every start; touches only what is missing or wrong, and nothing of others.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Family } from '../../../core/address.js';
import { messageOf } from '../../../core/errors.js';
import { RefusedFlows } from '../../../core/generations/own-options/refused-flows.js';
import { shortId } from '../../../core/names.js';
import type { Port } from '../../../core/ports/port.js';
import type { Rule } from '../../../core/rules/rule.js';
import type { RuleChange } from '../../../core/rules/rule-set.js';
import { tableOf } from '../../../core/rules/transactions.js';
import { hostPortsOf } from '../../state/registry.js';
import { saveNetwork } from '../../state/saving.js';
import { rulesMoved } from '../../state/transitions.js';
import { openHeldBack } from '../../usecases/ports/held-back.js';
import type { World } from '../../world.js';
import type { Signs } from '../signs.js';
import type { Concern, Occasion } from './concern.js';

/** With `dry-run` the answer is what would be done, and nothing is. */
export type When = 'start' | 'running' | 'dry-run';

/** Answers with what had to be done: `append filter FORWARD -i br-0 -o br-0 -j ACCEPT`. */
export async function repairRules(world: World, when: When = 'start'): Promise<string[]> {
  const { changes } = await world.rules.repair(when === 'dry-run' ? 'nothing' : 'everything');
  if (when !== 'dry-run') await followUp(world, changes);
  return changes.map(describeRuleChange);
}

/** Whether rules of a network were written with other rule settings than those of now. */
export function haveOtherSettings({ registry, rules }: Pick<World, 'registry' | 'rules'>): boolean {
  return registry
    .networks()
    .some(
      ({ spec, record }) => !isDeepStrictEqual(record.ruleSettings, rules.ruleSettingsOf(spec)),
    );
}

/**
 * Whether all rules of table mangle are there, among them those that guard ports. Also false if that cannot be found
 * out. Changes nothing.
 */
export async function haveGuards({ rules }: Pick<World, 'rules'>): Promise<boolean> {
  try {
    const { changes } = await rules.repair('nothing');
    return !changes.some((change) => tableOf(change) === 'mangle');
  } catch {
    return false;
  }
}

async function followUp(world: World, changes: readonly RuleChange[]): Promise<void> {
  await recordSettings(world);
  try {
    await forgetAstray(world, changes);
    await forgetStrays(world, changes);
    if (changes.some(isGuard)) await endRefused(world);
  } catch (error) {
    world.log.warn({ error: messageOf(error) }, 'forgetting connections after a repair failed');
  }
}

/**
 * Ends connections that began while rules were missing, and that `tsbridge.publish_from` or `tsbridge.egress_allow`
 * would have refused.
 */
async function endRefused({
  registry,
  refusedConnections,
  log,
}: Pick<World, 'registry' | 'refusedConnections' | 'log'>): Promise<void> {
  const refused = new RefusedFlows(
    registry.endpoints().map(({ network, spec, record }) => {
      const { opened } = record;
      const bindings = hostPortsOf(record);
      return { network: network.spec, endpoint: spec, bindings, opened };
    }),
  );
  if (refused.isEmpty) return;
  const connections = await refusedConnections.end(refused);
  if (connections > 0) log.warn({ connections }, 'ended connections that rules would have refused');
}

/** Has the kernel forget UDP flows that began while rules were missing, and that lead to the proxy's sockets. */
async function forgetStrays(
  world: Pick<World, 'registry' | 'strayFlows'>,
  changes: readonly RuleChange[],
): Promise<void> {
  if (!changes.some((change) => canTranslateUdp(change) || isGuard(change))) return;
  const published = world.registry
    .endpoints()
    .map(({ spec, record }) => ({ endpoint: spec.id, bindings: hostPortsOf(record) }));
  await world.strayFlows.forget(published);
}

/**
 * Whether the change writes a rule of table mangle that was missing: those that guard ports, and the jumps to them, are
 * all there. (So are the CHECKSUM rules of SCTP ports, which count, too.)
 */
function isGuard(change: RuleChange): boolean {
  return change.op !== 'delete' && 'rule' in change && change.rule.table === 'mangle';
}

/** Whether the change can have led UDP datagrams to containers that went elsewhere before. */
function canTranslateUdp(change: RuleChange): boolean {
  if (change.op === 'delete' || !('rule' in change) || change.rule.table !== 'nat') return false;
  const { protocol } = change.rule.matches;
  return protocol === undefined || protocol === 'udp';
}

/** A UDP flow keeps its translation as long as the client sends, also after the rule was deleted. */
async function forgetAstray(
  world: Pick<World, 'conntrack'>,
  changes: readonly RuleChange[],
): Promise<void> {
  const translated = (op: RuleChange['op'][]): Map<string, Rule> =>
    new Map(
      changes.flatMap((change) =>
        'rule' in change && op.includes(change.op) && isUdpTranslation(change.rule)
          ? [[`${change.rule.family} ${change.rule.text}`, change.rule] as const]
          : [],
      ),
    );
  const back = translated(['append', 'insert']);
  const gone = [...translated(['delete'])].filter(([text]) => !back.has(text));
  const ports = gone.flatMap(([, { family, matches }]) => {
    const { destinationPort: port } = matches;
    if (port === undefined) return [];
    const [first, last] = typeof port === 'number' ? [port, port] : [port.first, port.last];
    return Array.from({ length: last - first + 1 }, (_, index) => {
      return { family, port: (first + index) as Port };
    });
  });
  if (ports.length > 0) await world.conntrack.removeUdpFlowsTo(ports);
}

function isUdpTranslation({ matches, target }: Rule): boolean {
  return matches.protocol === 'udp' && typeof target === 'object' && 'dnat' in target;
}

/** After a commit has written all rules with the settings of now. A failure is logged: the next start repeats it. */
async function recordSettings(
  world: Pick<World, 'log' | 'networkLocks' | 'registry' | 'rules' | 'store'>,
): Promise<void> {
  if (!haveOtherSettings(world)) return;
  for (const state of world.registry.networks()) {
    const { id } = state.spec;
    await world.networkLocks.shared(id, async () => {
      if (world.registry.network(id) !== state) return;
      rulesMoved(state, world.rules.ruleSettingsOf(state.spec));
      await saveNetwork(world, state).catch((error) => {
        world.log.warn(
          { network: shortId(id), error: messageOf(error) },
          'recording a move failed',
        );
      });
    });
  }
}

/**
 * {@link repairRules} while the host is in use. An engine that starts looks for each of its chains, makes
 * those that it did not find, and ends if one has appeared meanwhile (docs/docker-bridge.md 1.2): so
 * nothing is done that needs a new chain, unless no program has changed anything for long enough.
 *
 * @param longQuiet it has been quiet
 * @param families whose rules another program has changed; the others are not read
 */
export async function repairRulesRunning(
  world: World,
  longQuiet: boolean,
  families: readonly Family[] = [4, 6],
): Promise<string[] | 'too-early'> {
  const scope = longQuiet ? 'everything' : 'no-new-chains';
  const { changes, refused } = await world.rules.repair(scope, families);
  if (refused) return 'too-early';
  await followUp(world, changes);
  return changes.map(describeRuleChange);
}

export class RuleConcern implements Concern {
  readonly name = 'rules';
  readonly signs = ['start', 'rules'] as const;

  constructor(private readonly world: World) {}

  differences(): Promise<string[]> {
    return repairRules(this.world, 'dry-run');
  }

  async repair(occasion: Occasion, { families }: Signs): Promise<string[] | 'too-early'> {
    const { world } = this;
    const isHeldBack = world.registry.endpoints().some((state) => state.heldBack === true);
    const repaired = isHeldBack ? ([4, 6] as const) : families;
    const done = await repairRulesRunning(world, occasion !== 'busy', [...repaired]);
    // A start opens the ports that are not held back at this moment; a repair of everything follows it, and opens the
    // others here.
    if (isHeldBack && done !== 'too-early' && occasion !== 'start') await openHeldBack(world);
    return done;
  }
}

function describeRuleChange(change: RuleChange): string {
  return 'rule' in change
    ? `${change.op} ${change.rule.table} ${change.rule.chain} ${change.rule.text}`
    : `${change.op} ${change.table} ${change.chain}`;
}
