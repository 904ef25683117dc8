/** What `tsbridge connectivity-test` answers. */
import {
  amount,
  boolean,
  type DocumentSchema,
  type ItemOf,
  lines,
  number,
  object,
  string,
  stringOrNull,
} from './schema.js';

const connection = object({
  /** Stays the same from version to version: `outside-to-published-port`. */
  name: string,
  family: { enum: [4, 6] },
  /** `packet`: a datagram as large as the MTU allows, which must not be fragmented. */
  probe: { enum: ['tcp', 'udp', 'ping', 'packet'] },
  from: { enum: ['first', 'second', 'other', 'outside', 'host'] },
  /** null: the host's kernel chooses. */
  source: stringOrNull,
  to: object({ address: string, port: amount }),
  /** In words: `outside → published port, tcp, IPv4`. */
  path: string,
  expected: object({
    answer: boolean,
    /** The address that the server has to see; null: any, or nobody is to be seen. */
    seen: stringOrNull,
    because: string,
  }),
  found: object({
    answer: boolean,
    seen: stringOrNull,
    /** Why there was no answer: `silent`, or a code of the kernel; null: there was one. */
    why: stringOrNull,
    ms: { anyOf: [number, { type: 'null' }] },
  }),
  result: { enum: ['passed', 'failed'] },
  /** What `tsbridge explain` says of a connection that failed. */
  explanation: {
    anyOf: [object({ command: string, verdict: string, text: lines }), { type: 'null' }],
  },
});

export type ConnectionItem = ItemOf<typeof connection>;

export const connectivitySchema: DocumentSchema = {
  about: 'What became of the connections of a test, and what should have: one item for each.',
  item: connection,
  names: true,
  more: {
    network: object({
      bridge: string,
      subnets: lines,
      generation: string,
      /** The id of the network whose options it has; null: the defaults. */
      like: stringOrNull,
    }),
    passed: amount,
    failed: amount,
    seconds: number,
    /** false: not known to be; the daemon removes what is left, at its next start at the latest. */
    removed: boolean,
  },
};
