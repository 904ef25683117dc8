/** What `tsbridge trace` tells. */
import {
  amount,
  type DocumentSchema,
  type ItemOf,
  lines,
  list,
  object,
  string,
  stringOrNull,
} from './schema.js';

const end = object({
  address: string,
  /** 0: the protocol has no ports. */
  port: amount,
  /** The container that has the address; null: none of tsbridge, or names are not known. */
  container: stringOrNull,
});

const step = object({
  hook: string,
  /** Family of the table: `ip`, `ip6`, `inet`, … */
  family: string,
  table: string,
  chain: string,
  /** Position of the rule in its chain, from 1; null: the end of the chain, or a rule whose text is not known. */
  number: { type: ['integer', 'null'] },
  /** The handle that the kernel gives the rule; null: the end of the chain. */
  handle: stringOrNull,
  rule: stringOrNull,
  outcome: string,
  to: stringOrNull,
  /** The program whose rule it seems to be; null: none that is known. */
  owner: stringOrNull,
  /** Names of the containers whose addresses are in the rule. */
  containers: lines,
});

const packet = object({
  /** From 1; packets that are not shown (--dropped-only) have numbers, too. */
  number: amount,
  /** The number of the packet that this one answers; null: it is no answer. */
  answers: { type: ['integer', 'null'] },
  family: { enum: [4, 6] },
  protocol: string,
  /** TCP's flags: `SYN`, `SYN ACK`; empty for other protocols. */
  flags: string,
  source: end,
  destination: end,
  /** Where the packet came from and went to when the kernel last reported it, so after translation. */
  became: object({ source: end, destination: end }),
  in: stringOrNull,
  out: stringOrNull,
  steps: list(step),
  end: { enum: ['host', 'sent', 'dropped', 'rejected', 'queued', 'lost'] },
  /** Where it ended and by whose rule, a line each. */
  words: lines,
});

const summary = object({
  packets: amount,
  answers: amount,
  /** How many packets were dropped, rejected or lost. */
  dropped: amount,
  /** Packets that fit the filter, with those above the rate and those that were not shown. */
  matched: amount,
  reason: { enum: ['count', 'time', 'interrupted'] },
  /** What the kernel dropped outside of rules during the trace, of all packets of the host. */
  losses: list(object({ counter: string, packets: amount, words: string })),
  /** What the trace cannot show, a sentence each. */
  unseen: lines,
});

export const traceItem = {
  type: 'object',
  properties: {
    /** `gap`: the kernel had more to report than could be read. */
    kind: { enum: ['packet', 'gap', 'end'] },
    packet,
    summary,
  },
  required: ['kind'],
  additionalProperties: false,
} as const;

export type PacketItem = ItemOf<typeof packet>;
export type SummaryItem = ItemOf<typeof summary>;
export type TraceItem =
  | { readonly kind: 'packet'; readonly packet: PacketItem }
  | { readonly kind: 'gap' }
  | { readonly kind: 'end'; readonly summary: SummaryItem };

export const traceSchema: DocumentSchema = {
  about: 'Packets and what became of them: a line each, and one at the end.',
  item: traceItem,
  stream: true,
};
