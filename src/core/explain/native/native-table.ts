/** Native tables as they were read: what their rules ask and do. */
import type { Family } from '../../address.js';
import type { Counters, RuleTarget } from '../chains/rule-table.js';
import type { Hook } from '../path/hooks.js';

/** What a rule looks at, in nft's words. */
export type Expression =
  | { readonly kind: 'meta'; readonly key: string }
  /** `direction`: whose addresses and ports of the flow. */
  | { readonly kind: 'ct'; readonly key: string; readonly direction?: string }
  | { readonly kind: 'payload'; readonly protocol: string; readonly field: string }
  | { readonly kind: 'fib'; readonly result: string; readonly flags: readonly string[] }
  | { readonly kind: 'number'; readonly value: number }
  | {
      readonly kind: 'bits';
      readonly operator: '&' | '|' | '^';
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: 'concat'; readonly parts: readonly Expression[] }
  | { readonly kind: 'other'; readonly words: string };

/** What a value is compared with; addresses as numbers. */
export type Operand =
  | { readonly kind: 'range'; readonly low: bigint; readonly high: bigint }
  /** `rest`: any name that begins so. */
  | { readonly kind: 'name'; readonly name: string; readonly rest: boolean }
  | { readonly kind: 'other'; readonly words: string };

/** One part, or those of a concatenation. */
export type Element = readonly Operand[];

/** Named sets and maps are looked up in the table. */
export type ElementsOf<Entry> =
  | { readonly kind: 'named'; readonly name: string }
  | { readonly kind: 'listed'; readonly entries: readonly Entry[] };

/** `unread`: written in a form that is not understood. */
export type MapData = ElementsOf<MapEntry> | { readonly kind: 'unread' };

export interface MapEntry {
  readonly element: Element;
  readonly verdict: Verdict;
  /** In a map of addresses: where the key leads, as iptables writes it: `10.0.0.2:80`. */
  readonly address?: string;
}

export type Verdict =
  | { readonly kind: 'accept' | 'drop' | 'continue' | 'return' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  | { readonly kind: 'other'; readonly words: string };

export type Statement =
  /** `in`: one bit of the operands is set; `!`: none is. */
  | {
      readonly kind: 'match';
      readonly operator: '==' | '!=' | '<' | '>' | '<=' | '>=' | 'in' | '!';
      readonly left: Expression;
      readonly right: ElementsOf<Element>;
      /** The rule, for a sentence. */
      readonly words: string;
    }
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  | {
      readonly kind: 'verdict-map';
      readonly key: Expression;
      readonly data: MapData;
      readonly words: string;
    }
  /** `family`, `protocol`: nft leaves out of its listing that the rule is only about these. */
  | { readonly kind: 'reject'; readonly family?: Family; readonly protocol?: number }
  | { readonly kind: 'mark'; readonly of: 'packet' | 'flow'; readonly value: Expression }
  /** `target` as iptables says it. Packets of another family go on. */
  | { readonly kind: 'translate'; readonly family?: Family; readonly target: RuleTarget }
  /**
   * Translates to `target` of the address that the map has for the packet's key; without such an entry the rule does not
   * apply.
   */
  | {
      readonly kind: 'translate-by-map';
      readonly family?: Family;
      readonly target: (address: string) => RuleTarget;
      readonly key: Expression;
      readonly data: MapData;
      readonly words: string;
    }
  | { readonly kind: 'notrack' }
  /** Goes on, or ends the rule: nobody can know. */
  | { readonly kind: 'condition'; readonly words: string };

export interface NativeRule {
  /** Position in its chain, from 1. */
  readonly number: number;
  readonly handle: number;
  /** As nft prints it. */
  readonly text: string;
  /** Those that only count or say something are left out. */
  readonly statements: readonly Statement[];
  readonly counters?: Counters;
}

/** Where the kernel enters a chain by itself. */
export interface Base {
  readonly type: 'filter' | 'nat' | 'route';
  readonly hook: Hook;
  readonly priority: number;
}

export interface NativeChain {
  readonly name: string;
  readonly base?: Base;
  readonly policy: 'accept' | 'drop';
  readonly rules: readonly NativeRule[];
}

export interface NativeTable {
  readonly variant: 'native';
  readonly family: 'ip' | 'ip6' | 'inet';
  readonly name: string;
  readonly chains: ReadonlyMap<string, NativeChain>;
  readonly sets: ReadonlyMap<string, readonly Element[]>;
  readonly maps: ReadonlyMap<string, readonly MapEntry[]>;
}
