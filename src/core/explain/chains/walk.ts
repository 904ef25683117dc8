/** A packet on its way through one table of iptables at one hook. */

import type { Answers } from '../facts.js';
import { ruleMatches } from '../matches/all.js';
import type { Packet } from '../packet.js';
import { isUnknown } from '../truth.js';
import { ChainWalk, type Choices, type Consequence, type TableVerdict } from './chain-walk.js';
import type { RuleTable, RuleTarget, TableRule } from './rule-table.js';
import { changesNothing, effectOf } from './targets.js';

/**
 * How many chains a packet may be in at a time. nf_tables refuses more than 16 jumps inside of each other; legacy
 * allows one for each chain.
 */
const deepest = 512;

/**
 * Through `table` from the chain that the kernel enters. A table without that chain accepts.
 *
 * @throws {Unanswered}
 */
export function walkTable(
  table: RuleTable,
  entry: string,
  packet: Packet,
  answers: Answers,
  choices: Choices,
): TableVerdict {
  const base = table.chains.get(entry);
  if (base === undefined) return { verdict: 'accept', packet, steps: [] };
  const policy = base.policy === 'DROP' ? 'drop' : 'accept';
  return new TableWalk(table, answers, choices, packet).from(base, policy);
}

class TableWalk extends ChainWalk<TableRule> {
  constructor(
    private readonly table: RuleTable,
    private readonly answers: Answers,
    private readonly choices: Choices,
    packet: Packet,
  ) {
    super(table.chains, deepest, packet);
  }

  protected ask(chain: string, rule: TableRule) {
    const assuming = this.#matched(chain, rule);
    const consequence: Consequence =
      assuming === undefined ? { kind: 'unmatched' } : this.#does(rule);
    return { consequence, assuming: assuming ?? [] };
  }

  /** What had to be assumed for it; undefined: it does not match. */
  #matched(chain: string, rule: TableRule): readonly string[] | undefined {
    const truth = ruleMatches(rule, this.packet, this.answers);
    if (!isUnknown(truth)) return truth ? [] : undefined;
    // The rule only counts or logs, so the packet goes on whether the rule matches or not: no fork.
    if (!this.#isChain(rule.target) && changesNothing(rule.target)) return truth.dependsOn;
    const name = `${this.table.name} ${chain} ${rule.number}`;
    return this.choices.take(name, truth.dependsOn) ? truth.dependsOn : undefined;
  }

  #isChain(target: RuleTarget | undefined): boolean {
    return target !== undefined && this.table.chains.has(target.name);
  }

  #does({ target }: TableRule): Consequence {
    if (target === undefined) return { kind: 'continue' };
    if (this.#isChain(target)) {
      return { kind: target.goto ? 'goto' : 'jump', chain: target.name };
    }
    const effect = effectOf(target, this.packet, this.answers);
    if (effect.kind === 'continue') this.packet = effect.packet;
    return effect;
  }
}
