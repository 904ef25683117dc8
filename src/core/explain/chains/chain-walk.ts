/**
 * A packet's way from chain to chain of one table: jumps, returns and policies. Rules of iptables and of nft share it.
 */
import type { Packet } from '../packet.js';
import type { Counters } from './rule-table.js';
import type { Manipulation } from './targets.js';

/**
 * A rule that the packet matched, or the end of a chain that it reached. Steps are in the order in which the packet met
 * them.
 */
export interface RuleStep {
  readonly chain: string;
  /** Position in the chain; absent: the chain's end, and `outcome` is its policy or `return`. */
  readonly number?: number;
  readonly text?: string;
  readonly counters?: Counters;
  readonly outcome: Outcome;
  /** Chain that is entered, for `jump` and `goto`. */
  readonly to?: string;
  /** Conditions that cannot be known from the host, and were assumed to hold so that the rule matches. */
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
  readonly steps: readonly RuleStep[];
  /** Set by a rule of table nat. */
  readonly translated?: Manipulation;
  /** For `unknown`: a phrase that says what the verdict depends on. */
  readonly words?: string;
}

/** Decides whether a rule matches whose conditions cannot be known from the host. */
export interface Choices {
  /**
   * @param rule its place, `filter INPUT 3`
   * @param dependsOn phrases that say what the conditions depend on
   */
  take(rule: string, dependsOn: readonly string[]): boolean;
}

/** What a rule does with a packet: `unmatched` if one of its conditions does not hold. */
export type Consequence =
  | { readonly kind: 'unmatched' | 'continue' | 'return' | 'accept' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  | { readonly kind: 'drop'; readonly how: 'drop' | 'reject' }
  | { readonly kind: 'translate'; readonly packet: Packet; readonly manipulation: Manipulation }
  | { readonly kind: 'unknown'; readonly words: string };

interface WalkedRule {
  readonly number: number;
  readonly text: string;
  readonly counters?: Counters;
}

interface WalkedChain<Rule> {
  readonly name: string;
  readonly rules: readonly Rule[];
}

interface Frame<Rule> {
  readonly chain: WalkedChain<Rule>;
  next: number;
}

/**
 * Most rules that a packet is compared with. The kernel refuses chains that call each other, but a bundle may have such
 * chains.
 */
const mostAsked = 500_000;
const endless = 'the chains call each other without end';

export abstract class ChainWalk<Rule extends WalkedRule> {
  readonly #steps: RuleStep[] = [];

  /** @param deepest how many chains a packet may be in at a time: the kernel refuses rules that go deeper */
  constructor(
    private readonly chains: ReadonlyMap<string, WalkedChain<Rule>>,
    private readonly deepest: number,
    protected packet: Packet,
  ) {}

  /**
   * Asks one rule. May change {@link packet}, but for a translation, which is in the consequence.
   *
   * @returns `assuming`: the conditions that were assumed to hold
   * @throws {Unanswered} if a question about the host has no answer yet
   */
  protected abstract ask(
    chain: string,
    rule: Rule,
  ): { readonly consequence: Consequence; readonly assuming: readonly string[] };

  /** Follows the packet from a base chain. @throws {Unanswered} as {@link ask} */
  from(base: WalkedChain<Rule>, policy: 'accept' | 'drop'): TableVerdict {
    /**
     * The chains that the packet is in, the present one last: the walk goes back to the one before. The first is the
     * base chain, unless a goto has left it.
     */
    const frames: Frame<Rule>[] = [{ chain: base, next: 0 }];
    for (let asked = 0; asked < mostAsked; asked += 1) {
      const frame = frames.at(-1);
      if (frame === undefined) {
        this.#steps.push({ chain: base.name, outcome: policy });
        return this.#end(policy);
      }
      const rule = frame.chain.rules[frame.next];
      frame.next += 1;
      if (rule === undefined) {
        frames.pop();
        if (frames.length > 0) this.#steps.push({ chain: frame.chain.name, outcome: 'return' });
        continue;
      }
      const { consequence, assuming } = this.ask(frame.chain.name, rule);
      const verdict = this.#follow(frames, rule, consequence, assuming);
      if (verdict !== undefined) return verdict;
    }
    return this.#unknown(endless);
  }

  /** Does what a rule says. undefined: the packet goes on within the table. */
  #follow(
    frames: Frame<Rule>[],
    { number, text, counters }: Rule,
    consequence: Consequence,
    assuming: readonly string[],
  ): TableVerdict | undefined {
    const { kind } = consequence;
    if (kind === 'unmatched') return undefined;
    this.#steps.push({
      chain: (frames.at(-1) as Frame<Rule>).chain.name,
      ...{ number, text },
      ...(counters === undefined ? {} : { counters }),
      outcome: kind === 'drop' ? consequence.how : kind,
      ...(kind === 'jump' || kind === 'goto' ? { to: consequence.chain } : {}),
      ...(assuming.length === 0 ? {} : { assuming }),
    });
    switch (kind) {
      case 'continue':
        return undefined;
      case 'return':
        frames.pop();
        return undefined;
      case 'jump':
      case 'goto':
        return this.#enter(frames, kind, consequence.chain);
      case 'accept':
        return this.#end('accept');
      case 'drop':
        return this.#end(consequence.how);
      case 'translate':
        this.packet = consequence.packet;
        return { ...this.#end('accept'), translated: consequence.manipulation };
      case 'unknown':
        return this.#unknown(consequence.words);
    }
  }

  /**
   * Enters another chain. At the end of a chain that a goto entered, the kernel goes back to where the chain with the
   * goto would have gone back to.
   */
  #enter(frames: Frame<Rule>[], how: 'jump' | 'goto', name: string): TableVerdict | undefined {
    const chain = this.chains.get(name);
    if (chain === undefined) return this.#unknown(`chain ${name} could not be read`);
    if (how === 'goto') frames.pop();
    frames.push({ chain, next: 0 });
    return frames.length > this.deepest ? this.#unknown(endless) : undefined;
  }

  #end(verdict: TableVerdict['verdict']): TableVerdict {
    return { verdict, packet: this.packet, steps: this.#steps };
  }

  #unknown(words: string): TableVerdict {
    return { ...this.#end('unknown'), words };
  }
}
