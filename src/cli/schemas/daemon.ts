/** What `tsbridge status`, `reconcile` and `forget` answer. */
import type { ForgottenEndpoint } from '../../driver/orphans/collected.js';
import type { ForgottenNetwork } from '../../driver/orphans/forgotten-networks.js';
import type { Status } from '../../operator/status.js';
import { forgottenEndpoint, suspect } from './forgotten.js';
import {
  amount,
  boolean,
  type DocumentSchema,
  type ItemOf,
  lines,
  list,
  number,
  object,
  string,
  stringOrNull,
  time,
} from './schema.js';

const repair = {
  type: 'object',
  properties: {
    repairs: { type: 'object', additionalProperties: amount },
    last: object({ at: time, author: string, count: amount, first: lines, durationMs: number }),
    steppedBack: boolean,
  },
  required: ['repairs', 'steppedBack'],
  additionalProperties: false,
} as const;

const commits = object({ commits: amount, changes: amount, milliseconds: number });
const ruleCommits = {
  type: 'object',
  properties: { netlink: commits, restore: commits, lastRestore: string },
  required: ['netlink', 'restore'],
  additionalProperties: false,
} as const;

const statusItem = object({
  version: string,
  build: string,
  node: string,
  iptables: { enum: ['nft', 'legacy', 'off'] },
  ip6tables: { enum: ['nft', 'legacy', 'off'] },
  ruleBackend: { enum: ['auto', 'restore'] },
  ruleCommits: { anyOf: [{ type: 'null' }, ruleCommits] },
  proxy: {
    anyOf: [
      { type: 'null' },
      object({ pid: amount, build: string, node: string, listeners: amount, connections: amount }),
    ],
  },
  longestStallMs: number,
  names: object({
    from: { enum: ['docker', 'files', 'none'] },
    asOf: stringOrNull,
    stale: boolean,
  }),
  forgotten: list(suspect),
  pid: amount,
  startedAt: time,
  state: { enum: ['recovering', 'serving', 'failed'] },
  generation: string,
  networks: amount,
  testNetworks: amount,
  endpoints: amount,
  publishedPorts: amount,
  limitQueue: { enum: ['fq_codel', 'fifo', 'unknown'] },
  repairs: { type: 'object', additionalProperties: repair },
  drift: object({ count: amount, first: lines }),
  degraded: lines,
});

export const statusSchema: DocumentSchema = {
  about: 'How the daemon is: one item.',
  item: statusItem,
};

const forgottenNetwork = object({
  id: string,
  bridge: string,
  bridgeGoes: boolean,
  subnets: lines,
});

export const reconcileSchema: DocumentSchema = {
  about: 'What was done to make the host as it should be, or would be.',
  item: object({ concern: string, change: string }),
  more: { dryRun: boolean, forgotten: list(forgottenNetwork) },
};

export const forgetSchema: DocumentSchema = {
  about: 'The network or endpoint that was removed, or would be: one item.',
  item: { anyOf: [forgottenNetwork, forgottenEndpoint] },
  more: { dryRun: boolean },
};

/** Compiles only if the type of the daemon's answer fits the schema. */
type Holds<_Answer extends Described, Described> = true;
export type Checked = [
  Holds<Status, ItemOf<typeof statusItem>>,
  Holds<ForgottenNetwork, ItemOf<typeof forgottenNetwork>>,
  Holds<ForgottenEndpoint, ItemOf<typeof forgottenEndpoint>>,
];
