/** What `tsbridge drops` answers. */
import {
  amount,
  type DocumentSchema,
  type ItemOf,
  lines,
  number,
  object,
  string,
  stringOrNull,
} from './schema.js';

const drop = object({
  /** Family of the table: `ip`, `ip6`, `inet`, `bridge`, `netdev` or `arp`. */
  family: string,
  variant: { enum: ['nft', 'legacy', 'native'] },
  table: string,
  chain: string,
  /** Position of the rule in its chain, from 1; null: it is the policy of the chain that drops. */
  number: { type: ['integer', 'null'] },
  rule: stringOrNull,
  /** The program whose rule it seems to be; null: none that tsbridge knows, so most likely a person wrote it. */
  owner: stringOrNull,
  /** What the rule or policy dropped or rejected between the two readings of its counters. */
  packets: amount,
  bytes: amount,
  packetsPerSecond: number,
  /** What the rule or policy has counted since it was written. */
  totalPackets: amount,
  command: string,
});

export type DropItem = ItemOf<typeof drop>;

export const dropsSchema: DocumentSchema = {
  about:
    'Which rules and policies have dropped packets within a time: one item each, the most packets first.',
  item: drop,
  more: {
    /** Time between the two readings of the counters. */
    seconds: number,
    /** Rules and policies that drop and whose packets the kernel does not count: `inet t c policy drop`. */
    notCounted: lines,
  },
};
