/** Finds the handles of rules by their bytes, in what the kernel lists of their chains. */

import { messagesIn } from '../../codec/netlink/netlink-message.js';
import { withoutCounts } from '../../codec/nf-tables/nft-expressions.js';
import { listRulesRequest } from '../../codec/nf-tables/nft-messages.js';
import { parseReportedRule } from '../../codec/nf-tables/nft-rule-messages.js';
import type { Rule } from '../../core/rules/rule.js';
import { readDump } from '../netlink/socket/dump.js';

const netfilter = 12;

/** A rule with the bytes by which it is known. */
export interface SoughtRule {
  readonly rule: Rule;
  readonly expressions: Buffer;
}

/**
 * The handles of all copies of each rule, the topmost first; none of a rule that is not there. Lists each
 * chain once (17 ms for 4,000 rules, on a thread).
 *
 * @throws {NetlinkError} `ENOENT` if a chain is not there; `EINTR` if it changed while it was listed
 */
export async function findHandles(
  sought: readonly SoughtRule[],
): Promise<Map<Rule, readonly number[]>> {
  const found = new Map<Rule, number[]>(sought.map(({ rule }) => [rule, []]));
  const chains = new Map<string, SoughtRule[]>();
  for (const one of sought) {
    const name = `${one.rule.family} ${one.rule.table} ${one.rule.chain}`;
    const others = chains.get(name);
    if (others === undefined) chains.set(name, [one]);
    else others.push(one);
  }
  for (const rules of chains.values()) await findInChain(rules, found);
  return found;
}

async function findInChain(
  sought: readonly SoughtRule[],
  found: Map<Rule, number[]>,
): Promise<void> {
  const [first] = sought;
  if (first === undefined) return;
  const { family, table, chain } = first.rule;
  const byBytes = new Map(
    sought.map(({ rule, expressions }) => [expressions.toString('latin1'), rule]),
  );
  await readDump(netfilter, listRulesRequest(family, table, chain), (datagram) => {
    for (const { type, start, end } of messagesIn(datagram)) {
      const listed = parseReportedRule(type, datagram.subarray(start, end));
      // Older kernels ignore the chain in the request, and list the whole table.
      if (listed === undefined || listed.chain !== chain || listed.table !== table) continue;
      const rule = byBytes.get(withoutCounts(listed.expressions).toString('latin1'));
      if (rule !== undefined) found.get(rule)?.push(listed.handle);
    }
  });
}
