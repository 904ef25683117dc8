/** What a packet meets at a hook, in the kernel's order of priorities: iptables' chains and native ones. */
import type { Family } from '../../address.js';
import type { RuleTable } from '../chains/rule-table.js';
import type { NativeChain, NativeTable } from '../native/native-table.js';
import { tableName } from '../native/native-walk.js';
import type { Packet } from '../packet.js';
import {
  type Hook,
  natPriorityAt,
  priorityAt,
  trackingPriority,
  tracksAt,
  translatesAt,
} from './hooks.js';

/** A chain that the kernel enters at the hook; without `chain` it has the hook's name. */
export interface Entry {
  readonly table: RuleTable | NativeTable;
  readonly chain?: NativeChain;
  /** Of the chain itself. */
  readonly priority: number;
  readonly isNat: boolean;
}

/**
 * One stop of a packet at a hook: chains of one priority, or a step that the kernel takes itself. Of the chains the
 * kernel asks the one first that was registered last (nf_hook_entries_grow in net/netfilter/core.c); neither
 * `nft list ruleset` nor `iptables-save` tells which one that is, so their order is unknown here. `translation` is the
 * step in which the kernel translates packets of known flows, at the place where it asks chains of type nat about new ones.
 */
export type Station = readonly Entry[] | 'tracking' | 'translation';

export function stationsAt(
  hook: Hook,
  tables: readonly (RuleTable | NativeTable)[],
  family: Family,
): Station[] {
  const entries = tables.flatMap((table) => entriesOf(table, hook, family));
  /** Where the kernel comes to an entry. */
  const placeOf = ({ isNat, priority }: Entry) => (isNat ? natPriorityAt(hook) : priority);
  const places = [...new Set(entries.map(placeOf))].sort((a, b) => a - b);
  const stations: Station[] = [];
  const own: [number, 'tracking' | 'translation'][] = [
    ...(tracksAt(hook) ? [[trackingPriority, 'tracking'] as [number, 'tracking']] : []),
    ...(translatesAt(hook)
      ? [[natPriorityAt(hook), 'translation'] as [number, 'translation']]
      : []),
  ];
  const next = () => stations.push((own.shift() as [number, 'tracking'])[1]);
  for (const place of places) {
    while (own[0] !== undefined && own[0][0] < place) next();
    stations.push(...groups(entries.filter((entry) => placeOf(entry) === place)));
  }
  while (own.length > 0) next();
  return stations;
}

/** Chains of type nat are asked in the order of their own priorities, if nothing else is at their place. */
function groups(entries: readonly Entry[]): readonly Entry[][] {
  if (!entries.every(({ isNat }) => isNat)) return [[...entries]];
  const priorities = [...new Set(entries.map(({ priority }) => priority))].sort((a, b) => a - b);
  return priorities.map((each) => entries.filter(({ priority }) => priority === each));
}

function entriesOf(table: RuleTable | NativeTable, hook: Hook, family: Family): Entry[] {
  if (table.variant !== 'native') {
    const priority = priorityAt(hook, table.name);
    if (priority === undefined || !table.chains.has(hook)) return [];
    return [{ table, priority, isNat: table.name === 'nat' }];
  }
  if (table.family !== 'inet' && table.family !== (family === 4 ? 'ip' : 'ip6')) return [];
  return [...table.chains.values()].flatMap((chain): Entry[] => {
    const { base } = chain;
    if (base?.hook !== hook) return [];
    return [{ table, chain, priority: base.priority, isNat: base.type === 'nat' }];
  });
}

/** `filter`; of a native one with the family, `inet firewalld`. */
export function nameOf({ table }: Entry): string {
  return table.variant === 'native' ? tableName(table) : table.name;
}

/** `table inet my, chain in` */
export function placeWords(entry: Entry): string {
  const { table, chain } = entry;
  const of = table.variant === 'native' ? '' : ` (iptables-${table.variant})`;
  return `table ${nameOf(entry)}${of}${chain === undefined ? '' : `, chain ${chain.name}`}`;
}

/**
 * Whether the kernel asks for a route again after this chain at hook OUTPUT. It looks only at what mangle, chains of
 * type route, and nat themselves have changed: a mark of table raw, e.g., makes no difference.
 */
export function leadsElsewhere(
  { table, chain, isNat }: Entry,
  before: Packet,
  after: Packet,
): boolean {
  if (isNat) return before.destination !== after.destination;
  const routes = chain === undefined ? table.name === 'mangle' : chain.base?.type === 'route';
  return routes && (before.mark !== after.mark || before.tos !== after.tos);
}
