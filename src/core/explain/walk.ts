/** A packet on its way through one table's chains at one hook. */
import type { Answers } from './facts.js';
import { ruleMatches } from './matches/all.js';
import type { Packet } from './packet.js';
import type { Counters, RuleTable, TableChain, TableRule } from './rule-table.js';
import { effectOf, type Manipulation } from './targets.js';
import { isUnknown } from './truth.js';

/** A rule that the packet matched, or the end of a chain that it reached; in the order of the journey. */
export interface Step {
  readonly chain: string;
  /** Position in the chain; absent: the chain's end, and `outcome` is its policy or `return`. */
  readonly number?: number;
  readonly text?: string;
  readonly counters?: Counters;
  readonly outcome: Outcome;
  /** Chain that is entered, for `jump` and `goto`. */
  readonly to?: string;
  /** What the host cannot tell, if the rule was taken to match because of it. */
  readonly assuming?: readonly string[];
}

export type Outcome =
  | 'continue'
  | 'jump'
  | 'goto'
  | 'return'
  | 'accept'
  | 'drop'
  | 'reject'
  | 'translate'
  | 'unknown';

/** How the packet left the table. */
export interface TableVerdict {
  readonly verdict: 'accept' | 'drop' | 'reject' | 'unknown';
  /** As the rules left it. */
  readonly packet: Packet;
  readonly steps: readonly Step[];
  /** Set by a rule of table nat. */
  readonly translated?: Manipulation;
  /** For `unknown`: what decides. */
  readonly words?: string;
}

/** Decides what nobody can know: whether a rule matches whose conditions depend on something else. */
export interface Choices {
  /** @param dependsOn phrases */
  take(rule: string, dependsOn: readonly string[]): boolean;
}

/** The kernel allows no more jumps inside of each other (legacy: one for each chain; nf_tables: 16). */
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
  return new Walk(table, answers, choices, packet).from(base);
}

interface Frame {
  readonly chain: TableChain;
  next: number;
}

class Walk {
  readonly #steps: Step[] = [];
  #packet: Packet;

  constructor(
    private readonly table: RuleTable,
    private readonly answers: Answers,
    private readonly choices: Choices,
    packet: Packet,
  ) {
    this.#packet = packet;
  }

  from(base: TableChain): TableVerdict {
    /** Where to go on after the chain; the first is the base chain. */
    const frames: Frame[] = [{ chain: base, next: 0 }];
    for (;;) {
      const frame = frames.at(-1) as Frame;
      const rule = frame.chain.rules[frame.next];
      frame.next += 1;
      if (rule === undefined) {
        frames.pop();
        if (frames.length === 0) return this.#policy(base);
        this.#step(frame.chain, undefined, { outcome: 'return' });
        continue;
      }
      const assuming = this.#matched(frame.chain, rule);
      if (assuming === false) continue;
      const verdict = this.#apply(frames, frame, rule, assuming);
      if (verdict !== undefined) return verdict;
      if (frames.length === 0) return this.#policy(base);
    }
  }

  /** `false`, or what had to be assumed for it. */
  #matched(chain: TableChain, rule: TableRule): readonly string[] | false {
    const truth = ruleMatches(rule, this.#packet, this.answers);
    if (!isUnknown(truth)) return truth && [];
    const name = `${this.table.name} ${chain.name} ${rule.number}`;
    return this.choices.take(name, truth.dependsOn) && truth.dependsOn;
  }

  #apply(
    frames: Frame[],
    { chain }: Frame,
    rule: TableRule,
    assuming: readonly string[],
  ): TableVerdict | undefined {
    const { target } = rule;
    const step = (outcome: Outcome, to?: string) =>
      this.#step(chain, rule, { outcome, assuming, ...(to === undefined ? {} : { to }) });
    if (target === undefined) {
      step('continue');
      return undefined;
    }
    const called = this.table.chains.get(target.name);
    if (called !== undefined) {
      step(target.goto ? 'goto' : 'jump', target.name);
      // After a goto the kernel comes back to where the present chain would have come back to.
      if (target.goto && frames.length > 1) frames.pop();
      else if (target.goto) (frames[0] as Frame).next = chain.rules.length;
      frames.push({ chain: called, next: 0 });
      return frames.length > deepest
        ? this.#unknown('the chains call each other without end')
        : undefined;
    }
    const effect = effectOf(target, this.#packet, this.answers);
    switch (effect.kind) {
      case 'continue':
        this.#packet = effect.packet;
        step('continue');
        return undefined;
      case 'return':
        step('return');
        frames.pop();
        return undefined;
      case 'accept':
        step('accept');
        return this.#end('accept');
      case 'drop':
        step(effect.how);
        return this.#end(effect.how);
      case 'translate':
        step('translate');
        this.#packet = effect.packet;
        return { ...this.#end('accept'), translated: effect.manipulation };
      case 'unknown':
        step('unknown');
        return this.#unknown(effect.words);
    }
  }

  #policy(base: TableChain): TableVerdict {
    const verdict = base.policy === 'DROP' ? 'drop' : 'accept';
    this.#step(base, undefined, { outcome: verdict });
    return this.#end(verdict);
  }

  #end(verdict: TableVerdict['verdict']): TableVerdict {
    return { verdict, packet: this.#packet, steps: this.#steps };
  }

  #unknown(words: string): TableVerdict {
    return { ...this.#end('unknown'), words };
  }

  #step(
    chain: TableChain,
    rule: TableRule | undefined,
    what: Pick<Step, 'outcome' | 'to' | 'assuming'>,
  ): void {
    const { assuming = [], ...rest } = what;
    this.#steps.push({
      chain: chain.name,
      ...(rule === undefined ? {} : { number: rule.number, text: rule.text }),
      ...(rule?.counters === undefined ? {} : { counters: rule.counters }),
      ...rest,
      ...(assuming.length === 0 ? {} : { assuming }),
    });
  }
}
