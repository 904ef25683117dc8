/** Handles of rules → texts for `nft -f -` that delete them, each of them one transaction. */
import type { Family } from '../../core/address.js';
import type { HandledRule } from './nft-messages.js';

/**
 * More deletions than this are split: the kernel searches each rule from the top of its chain, past
 * those that are deleted with it, so that 19,000 at once take 3 s and 60,000 ten times as long.
 */
export const mostDeletions = 2_000;

export function renderDeletions(family: Family, rules: readonly HandledRule[]): string[] {
  const ip = family === 4 ? 'ip' : 'ip6';
  const lines = rules.map(
    ({ table, chain, handle }) => `delete rule ${ip} ${table} ${chain} handle ${handle}\n`,
  );
  const count = Math.ceil(lines.length / mostDeletions);
  return Array.from({ length: count }, (_, at) =>
    lines.slice(at * mostDeletions, (at + 1) * mostDeletions).join(''),
  );
}
