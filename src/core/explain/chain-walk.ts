/** A packet's way from chain to chain of one table: jumps, returns and policies, alike for rules of iptables and of nft. */
import type { Packet } from './packet.js';
import type { Counters } from './rule-table.js';
import type { Manipulation } from './targets.js';

/** A rule that the packet matched, or the end of a chain that it reached; in the order of the journey. */
export interface RuleStep {
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
  readonly steps: readonly RuleStep[];
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

/** Rules that are asked at most; the kernel loads no chains that call each other, but a bundle may have such. */
const mostAsked = 500_000;
const endless = 'the chains call each other without end';

export abstract class ChainWalk<Rule extends WalkedRule> {
  readonly #steps: RuleStep[] = [];

  /** @param deepest chains inside of each other, beyond which the kernel loads no rules */
  constructor(
    private readonly chains: ReadonlyMap<string, WalkedChain<Rule>>,
    private readonly deepest: number,
    protected packet: Packet,
  ) {}

  /** Changes {@link packet}, but for a translation. `assuming`: what had to be taken to hold for it. @throws {Unanswered} */
  protected abstract ask(
    chain: string,
    rule: Rule,
  ): { readonly consequence: Consequence; readonly assuming: readonly string[] };

  /** From a chain that the kernel enters by itself. @throws {Unanswered} */
  from(base: WalkedChain<Rule>, policy: 'accept' | 'drop'): TableVerdict {
    /** Where to go on after the chain; the first is the base chain, unless it was left by a goto. */
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

  /** undefined: the packet goes on. */
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

  /** After a goto the kernel comes back to where the present chain would have come back to. */
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
