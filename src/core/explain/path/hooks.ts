/** At which priorities of which hook the kernel asks iptables' tables, and what else stands there. */

export const hooks = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'] as const;
export type Hook = (typeof hooks)[number];

/** iptables' tables with their priorities (`linux/netfilter_ipv4.h`). */
const priorities = { raw: -300, mangle: -150, filter: 0, security: 50 } as const;
const tablesAt: Readonly<Record<Hook, readonly string[]>> = {
  PREROUTING: ['raw', 'mangle', 'nat'],
  INPUT: ['mangle', 'filter', 'security', 'nat'],
  FORWARD: ['mangle', 'filter', 'security'],
  OUTPUT: ['raw', 'mangle', 'nat', 'filter', 'security'],
  POSTROUTING: ['mangle', 'nat'],
};

/** Lowest first; undefined: the table is not asked at the hook. */
export function priorityAt(hook: Hook, table: string): number | undefined {
  if (!tablesAt[hook].includes(table)) return undefined;
  return table === 'nat'
    ? natPriorityAt(hook)
    : (priorities as Readonly<Record<string, number>>)[table];
}

/** Where the kernel asks all chains of type nat, whatever priorities they have themselves. */
export function natPriorityAt(hook: Hook): number {
  return manipulationAt(hook) === 'destination' ? -100 : 100;
}

/** Of connection tracking, where it looks. */
export const trackingPriority = -200;
export function tracksAt(hook: Hook): boolean {
  return hook === 'PREROUTING' || hook === 'OUTPUT';
}

/** Whether the kernel translates packets there. */
export function translatesAt(hook: Hook): boolean {
  return hook !== 'FORWARD';
}

/** What table nat changes at a hook. */
export function manipulationAt(hook: Hook): 'source' | 'destination' {
  return hook === 'PREROUTING' || hook === 'OUTPUT' ? 'destination' : 'source';
}
