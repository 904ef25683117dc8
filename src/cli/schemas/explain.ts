/** What `tsbridge explain` answers. */
import {
  amount,
  boolean,
  type DocumentSchema,
  type ItemOf,
  lines,
  list,
  object,
  string,
  stringOrNull,
} from './schema.js';

const end = object({ address: string, port: amount });

const step = object({
  chain: string,
  /** null: the end of the chain. */
  number: { type: ['integer', 'null'] },
  rule: stringOrNull,
  outcome: string,
  to: stringOrNull,
  /** Whose rule it seems to be. */
  owner: stringOrNull,
  packets: { type: ['integer', 'null'] },
});

const stage = object({
  at: string,
  table: stringOrNull,
  hook: stringOrNull,
  variant: stringOrNull,
  words: stringOrNull,
  steps: list(step),
});

const way = object({
  assumptions: list(object({ rule: string, dependsOn: lines, holds: boolean })),
  stages: list(stage),
  end: string,
});

export const explainItem = object({
  /**
   * `packet`: the one that the question is about. `new-flow`: the same packet, as if it did not belong to a flow that
   * is tracked already. `proxied`: the packet that the userland proxy sends to the container, if it holds the port.
   * `reply`: the answer to `packet` (`--reply`).
   */
  of: { enum: ['packet', 'new-flow', 'proxied', 'reply'] },
  packet: object({
    family: { enum: [4, 6] },
    protocol: amount,
    source: end,
    destination: end,
    in: stringOrNull,
  }),
  verdict: { enum: ['host', 'sent', 'bridged', 'dropped', 'rejected', 'lost', 'depends'] },
  ways: list(way),
  /** true: more journeys are possible than are listed. */
  cut: boolean,
  /** What the verdict hangs on that could not be looked at. */
  unseen: lines,
  text: lines,
});

export type ExplainItem = ItemOf<typeof explainItem>;

export const explainSchema: DocumentSchema = {
  about:
    "What becomes of a packet by everybody's rules on this host, and why: one item; more if a flow is there already, for what the userland proxy carries on, or with --reply.",
  item: explainItem,
  names: true,
};
