/** Rules of any program as they were read: options and their values, not yet what these mean for a packet. */
import type { Family } from '../../address.js';

/** One option of a rule's text: `! --dport 80:90`. */
export interface RuleOption {
  readonly flag: string;
  readonly negated: boolean;
  readonly values: readonly string[];
}

/** What one `-m` asks, with its options. */
export interface RuleMatch {
  /** Name of the match, such as `tcp`; empty for `-s`, `-i` and the others that need no `-m`. */
  readonly module: string;
  readonly options: readonly RuleOption[];
}

export interface RuleTarget {
  /** Name of the target: `ACCEPT`, `DNAT`, or a chain. */
  readonly name: string;
  /** true for `-g`: packets do not come back from the chain. */
  readonly goto: boolean;
  readonly options: readonly RuleOption[];
}

export interface Counters {
  readonly packets: number;
  readonly bytes: number;
}

export interface TableRule {
  /** Position in its chain, from 1, as `iptables -L --line-numbers` shows it. */
  readonly number: number;
  /** The rule as iptables-save prints it, without `-A CHAIN`. */
  readonly text: string;
  /** The rule matches a packet if all of these do. */
  readonly matches: readonly RuleMatch[];
  /** Absent: the rule only counts packets. */
  readonly target?: RuleTarget;
  readonly counters?: Counters;
}

export interface TableChain {
  readonly name: string;
  /** Policy of a built-in chain, which the kernel enters by itself; absent for others. */
  readonly policy?: 'ACCEPT' | 'DROP';
  /** Counters of the packets to which the policy was applied. */
  readonly policyCounters?: Counters;
  readonly rules: readonly TableRule[];
}

export interface RuleTable {
  readonly family: Family;
  /** The variant of iptables that holds the table. */
  readonly variant: 'nft' | 'legacy';
  /** Name of the table: `filter`. */
  readonly name: string;
  readonly chains: ReadonlyMap<string, TableChain>;
}
