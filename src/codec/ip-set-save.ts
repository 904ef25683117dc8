/** Reads what `ipset save` prints. Comments of entries are left out. */
import type { IpSet } from '../core/explain/chains/ip-sets.js';

/** Options of a set that do not change which packets are in it. true: a value follows the option. */
const plain: Readonly<Record<string, boolean>> = {
  ...{ hashsize: true, maxelem: true, bucketsize: true, initval: true, timeout: true, size: true },
  ...{ range: true, counters: false, comment: false, skbinfo: false, forceadd: false },
};

/** @param most entries of one set that are read; a set with more has no entries here, and `isUnread` */
export function readIpSets(saved: string, most: number): IpSet[] {
  const sets = new Map<
    string,
    { head: Omit<IpSet, 'entries'>; entries: IpSet['entries'][number][] }
  >();
  for (const line of saved.split('\n')) {
    const [verb, name = '', what = '', ...rest] = line.split(' ');
    if (verb === 'create') sets.set(name, { head: readHead(name, what, rest), entries: [] });
    const set = verb === 'add' ? sets.get(name) : undefined;
    if (set !== undefined && set.entries.length <= most) {
      // The comment comes last: the words after it are its text.
      const words = rest.slice(0, rest.includes('comment') ? rest.indexOf('comment') : undefined);
      set.entries.push({ entry: what, ...(words.includes('nomatch') ? { excluded: true } : {}) });
    }
  }
  return [...sets.values()].map(({ head, entries }) =>
    entries.length > most ? { ...head, entries: [], isUnread: true } : { ...head, entries },
  );
}

function readHead(name: string, type: string, options: readonly string[]): Omit<IpSet, 'entries'> {
  let family: IpSet['family'];
  let isUnread = false;
  for (let index = 0; index < options.length; index += 1) {
    const option = options[index] ?? '';
    if (option === 'family') {
      index += 1;
      family = options[index] === 'inet6' ? 6 : 4;
    } else if (plain[option] === undefined) isUnread = true;
    else if (plain[option]) index += 1;
  }
  const of = type === 'bitmap:ip' ? 4 : family;
  return { name, type, ...(of === undefined ? {} : { family: of }), isUnread };
}
