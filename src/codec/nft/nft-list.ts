/** What `nft -a list chain` prints: rules with their handles. */
import type { ListedRule } from '../../core/trace/listing.js';

/** The rules of a chain or table by their handles, numbered from the top. nft breaks a rule with a long set into several lines. */
export function readChainListing(text: string): Map<bigint, ListedRule> {
  const rules = new Map<bigint, ListedRule>();
  let before: string[] = [];
  for (const line of text.split('\n')) {
    const [, rule, handle] = /^\t\t(.*) # handle (\d+)$/.exec(line) ?? [];
    if (rule !== undefined && handle !== undefined) {
      const whole = [...before, rule.trim()].join(' ');
      rules.set(BigInt(handle), { number: rules.size + 1, text: whole });
      before = [];
    } else if (/^\t[^\t]/.test(line)) before = [];
    else if (/^\t\t/.test(line) && !/^\t\t(type .* hook |policy )/.test(line))
      before.push(line.trim());
  }
  return rules;
}
