/**
 * The table of `tsbridge.port_rules=map` in one family, as data: its sets, chains and rules are always the same, and only
 * the elements of the sets change (elements.ts). docs/adr/0022-mapped-ports.md has the reasons.
 */
import type { Family } from '../address.js';

export const setNames = ['ports', 'bridges', 'inside', 'itself', 'loopback'] as const;
export type SetName = (typeof setNames)[number];

/** The kinds of parts of which keys, and the data that they lead to, are composed. */
export type Field = 'address' | 'name' | 'protocol' | 'port';

export interface SetShape {
  readonly name: SetName;
  readonly key: readonly Field[];
  /** Of a map: what a key leads to. */
  readonly data?: readonly Field[];
}

/** Properties of a packet that a rule of the table looks at. */
export type Source = 'destination' | 'source' | 'in-interface' | 'protocol' | 'port';

export type Statement =
  /** The packet goes to an address of the host. */
  | { readonly kind: 'local'; readonly not: boolean }
  | { readonly kind: 'to-loopback'; readonly not: boolean }
  | { readonly kind: 'not-from-lo' }
  | { readonly kind: 'from-link-local' }
  /** The destination of the packet's flow was translated. */
  | { readonly kind: 'translated' }
  | { readonly kind: 'in'; readonly set: SetName; readonly key: readonly Source[] }
  /** Looks the destination up in the map, with all or the first bits of its address, and translates it. */
  | { readonly kind: 'translate'; readonly bits?: number }
  | { readonly kind: 'masquerade' | 'drop' | 'return' }
  | { readonly kind: 'goto'; readonly chain: string };

export interface MapChain {
  readonly name: string;
  /** Absent: only rules lead there. */
  readonly base?: {
    readonly type: 'filter' | 'nat';
    readonly hook: 'prerouting' | 'output' | 'postrouting';
    readonly priority: number;
  };
  readonly rules: readonly (readonly Statement[])[];
}

export interface MapTable {
  readonly family: Family;
  readonly sets: readonly SetShape[];
  readonly chains: readonly MapChain[];
}

const portKey = ['address', 'protocol', 'port'] as const;
const shapes: readonly SetShape[] = [
  { name: 'ports', key: portKey, data: ['address', 'port'] },
  { name: 'bridges', key: ['name'] },
  { name: 'inside', key: ['name', 'protocol', 'port'] },
  { name: 'itself', key: ['address', 'address'] },
];

/**
 * Each chain has the number after the priority of iptables' chain at its hook. So a rule of iptables wins, as a rule
 * above Docker's own does. With the same priority the order would be unknown: the kernel asks the chain first that was
 * registered last (nf_hook_entries_grow in net/netfilter/core.c), and neither `nft list ruleset` nor `iptables-save`
 * tells which one that is. `raw` still drops before connection tracking (-200).
 */
const priority = { dstnat: -99, srcnat: 101, raw: -299 } as const;

const loopback: Statement = { kind: 'to-loopback', not: false };
const back: Statement = { kind: 'return' };
const translate: Statement = { kind: 'goto', chain: 'translate' };
const inSet = (set: SetName, ...key: readonly Source[]): Statement => ({ kind: 'in', set, key });

export function mapTable(family: Family): MapTable {
  return {
    family,
    sets: family === 4 ? [...shapes, { name: 'loopback', key: portKey }] : shapes,
    chains: [
      ...(family === 4 ? [loopbackChain] : []),
      {
        name: 'prerouting',
        base: { type: 'nat', hook: 'prerouting', priority: priority.dstnat },
        rules: [
          [{ kind: 'local', not: true }, back],
          [inSet('bridges', 'in-interface'), back],
          [inSet('inside', 'in-interface', 'protocol', 'port'), back],
          [translate],
        ],
      },
      {
        name: 'output',
        base: { type: 'nat', hook: 'output', priority: priority.dstnat },
        rules: [[{ kind: 'local', not: false }, translate]],
      },
      {
        name: 'postrouting',
        base: { type: 'nat', hook: 'postrouting', priority: priority.srcnat },
        rules: [
          [
            { kind: 'translated' },
            inSet('itself', 'source', 'destination'),
            { kind: 'masquerade' },
          ],
        ],
      },
      { name: 'translate', rules: translations(family) },
    ],
  };
}

/** Drops what Docker 28 drops by a rule in table raw for each port on a loopback address; here in all generations. */
const loopbackChain: MapChain = {
  name: 'raw',
  base: { type: 'filter', hook: 'prerouting', priority: priority.raw },
  rules: [
    [
      { kind: 'not-from-lo' },
      loopback,
      inSet('loopback', 'destination', 'protocol', 'port'),
      { kind: 'drop' },
    ],
  ],
};

/** First what is published on the very address, then what is on all: `0.0.0.0`, for loopback addresses `127.0.0.0`. */
function translations(family: Family): MapChain['rules'] {
  if (family === 6) {
    return [
      // The kernel forwards nothing that comes from a link-local address, and ::1 is the proxy's.
      [{ kind: 'from-link-local' }, back],
      [loopback, back],
      [{ kind: 'translate' }],
      [{ kind: 'translate', bits: 0 }],
    ];
  }
  return [
    [{ kind: 'translate' }],
    [loopback, { kind: 'translate', bits: 8 }],
    [
      { kind: 'to-loopback', not: true },
      { kind: 'translate', bits: 0 },
    ],
  ];
}
