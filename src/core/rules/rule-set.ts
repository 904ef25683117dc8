/**
 * The rules of one family, in order, chain by chain: as observed on the host, or as planned. Rules of other
 * programs are in it as text, since they must keep their places.
 */
import type { Chain, Rule, RuleChain, Table } from './rule.js';

/** One change to a family's rules, small enough to be a line of restore text. */
export type RuleChange =
  | { readonly op: 'create-chain'; readonly table: Table; readonly chain: Chain }
  /** Deletes a chain that is empty and that nothing jumps to. */
  | { readonly op: 'delete-chain'; readonly table: Table; readonly chain: Chain }
  | { readonly op: 'policy'; readonly table: Table; readonly chain: Chain; readonly policy: 'DROP' }
  | { readonly op: 'append'; readonly rule: Rule }
  /**
   * `position` counts from 0; iptables counts from 1. `below`: the rule of ours that is right above it then,
   * if there is one.
   */
  | {
      readonly op: 'insert';
      readonly rule: Rule;
      readonly position: number;
      readonly below?: Rule;
    }
  | { readonly op: 'delete'; readonly rule: Rule };

interface ChainState {
  policy: string | undefined;
  /** true: iptables cannot print some of its rules; for each of them, `rules` has a text that equals no rule's. */
  partial?: true;
  rules: string[];
  /** How often each text occurs: `has` must not search a chain of 10,000. */
  readonly counts: Map<string, number>;
}

/** From so many deletions on, one walk through all of their chains costs less than a search for each. */
const many = 32;

export class RuleSet {
  /** A map of maps, since a joined key would need a new string for each search. */
  readonly #tables = new Map<Table, Map<string, ChainState>>();

  /** A copy, for plans that may not be committed. */
  copy(): RuleSet {
    const copy = new RuleSet();
    for (const [table, chains] of this.#tables) {
      const copies = new Map<string, ChainState>();
      for (const [name, { rules, counts, ...rest }] of chains) {
        copies.set(name, { ...rest, rules: [...rules], counts: new Map(counts) });
      }
      copy.#tables.set(table, copies);
    }
    return copy;
  }

  addChain(table: Table, chain: string, policy?: string): void {
    const chains = this.#tables.get(table) ?? new Map<string, ChainState>();
    this.#tables.set(table, chains);
    if (!chains.has(chain)) chains.set(chain, { policy, rules: [], counts: new Map() });
  }

  append(table: Table, chain: string, text: string): void {
    if (this.#find(table, chain) === undefined) this.addChain(table, chain);
    const state = this.#state(table, chain);
    state.rules.push(text);
    count(state, text, 1);
  }

  /** iptables cannot print some rules of the chain, so that not all of our rules there can be seen. */
  markPartial(table: Table, chain: string): void {
    this.addChain(table, chain);
    this.#state(table, chain).partial = true;
  }

  isPartial({ table, chain }: { readonly table: Table; readonly chain: string }): boolean {
    return this.#find(table, chain)?.partial === true;
  }

  /** The chains that were given to {@link markPartial}. */
  get partialChains(): { readonly table: Table; readonly chain: string }[] {
    return [...this.#tables].flatMap(([table, chains]) =>
      [...chains].flatMap(([chain, { partial }]) => (partial ? [{ table, chain }] : [])),
    );
  }

  hasChain(table: Table, chain: Chain): boolean {
    return this.#find(table, chain) !== undefined;
  }

  policy(table: Table, chain: Chain): string | undefined {
    return this.#find(table, chain)?.policy;
  }

  has(rule: Rule): boolean {
    return this.hasText(rule.table, rule.chain, rule.text);
  }

  /** {@link has}, for text that was read from a host. */
  hasText(table: Table, chain: Chain | RuleChain, text: string): boolean {
    return this.#find(table, chain)?.counts.has(text) ?? false;
  }

  /** How often the rule is there. */
  count(rule: Rule): number {
    return this.#find(rule.table, rule.chain)?.counts.get(rule.text) ?? 0;
  }

  /** The rules of which a chain has several copies. */
  *repeated(): Generator<{ readonly table: Table; readonly chain: string; readonly text: string }> {
    for (const [table, chains] of this.#tables) {
      for (const [chain, { rules, counts }] of chains) {
        if (counts.size === rules.length) continue;
        for (const [text, copies] of counts) if (copies > 1) yield { table, chain, text };
      }
    }
  }

  /** Position of a rule in its chain, from 0; undefined if the rule is not there. */
  positionOf(rule: Rule): number | undefined {
    if (!this.has(rule)) return undefined;
    return this.#state(rule.table, rule.chain).rules.indexOf(rule.text);
  }

  /** The chain's rules from top to bottom, as `iptables-save` prints them without `-A CHAIN`. */
  rules(table: Table, chain: Chain | RuleChain): readonly string[] {
    return this.#find(table, chain)?.rules ?? [];
  }

  /**
   * The same rules, chain by chain; if there are many, each chain's from top to bottom. iptables searches for
   * each rule to delete from the top: for 6,000 of them that takes 0.4 s in this order, or 15 s.
   */
  fromTop(rules: readonly Rule[]): readonly Rule[] {
    if (rules.length < many) return rules;
    const wanted = new Map<ChainState, Map<string, Rule>>();
    for (const rule of rules) {
      const state = this.#state(rule.table, rule.chain);
      const own = wanted.get(state) ?? new Map<string, Rule>();
      wanted.set(state, own.set(rule.text, rule));
    }
    return [...wanted].flatMap(([state, own]) =>
      state.rules.flatMap((text) => {
        const rule = own.get(text);
        own.delete(text);
        return rule ?? [];
      }),
    );
  }

  /** Names of all chains of a table, built-in ones included. */
  chains(table: Table): string[] {
    return [...(this.#tables.get(table)?.keys() ?? [])];
  }

  /** Brings this set to what the host has once `changes` are committed. */
  apply(changes: readonly RuleChange[]): void {
    const deleted = new Map<ChainState, Map<string, number>>();
    for (const change of changes) {
      if (change.op === 'create-chain') this.addChain(change.table, change.chain);
      else if (change.op === 'delete-chain') this.#tables.get(change.table)?.delete(change.chain);
      else if (change.op === 'policy') {
        this.addChain(change.table, change.chain);
        this.#state(change.table, change.chain).policy = change.policy;
      } else {
        const { rule } = change;
        this.addChain(rule.table, rule.chain);
        const state = this.#state(rule.table, rule.chain);
        if (change.op === 'delete') {
          if (!state.counts.has(rule.text)) continue;
          count(state, rule.text, -1);
          const texts = deleted.get(state) ?? new Map<string, number>();
          deleted.set(state, texts.set(rule.text, (texts.get(rule.text) ?? 0) + 1));
          continue;
        }
        // The position was counted after the deletions before it, so these are done first.
        if (change.op === 'insert') {
          sweep(state, deleted);
          state.rules.splice(change.position, 0, rule.text);
        } else state.rules.push(rule.text);
        count(state, rule.text, 1);
      }
    }
    for (const state of [...deleted.keys()]) sweep(state, deleted);
  }

  #find(table: Table, chain: string): ChainState | undefined {
    return this.#tables.get(table)?.get(chain);
  }

  #state(table: Table, chain: string): ChainState {
    const state = this.#find(table, chain);
    if (state === undefined) throw new Error(`no chain ${chain} in table ${table}`);
    return state;
  }
}

function count(state: ChainState, text: string, by: 1 | -1): void {
  const after = (state.counts.get(text) ?? 0) + by;
  if (after > 0) state.counts.set(text, after);
  else state.counts.delete(text);
}

/** Removes the first occurrence of each deleted text, in one pass over the chain. */
function sweep(state: ChainState, deleted: Map<ChainState, Map<string, number>>): void {
  const texts = deleted.get(state);
  if (texts === undefined) return;
  deleted.delete(state);
  state.rules = state.rules.filter((text) => {
    const left = texts.get(text) ?? 0;
    if (left === 0) return true;
    texts.set(text, left - 1);
    return false;
  });
}
