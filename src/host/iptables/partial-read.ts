/**
 * Reads tables that `iptables-save` does not show, because `nft` has written rules there that iptables
 * cannot print ("Table `filter' is incompatible"; iptables 1.8.9 to 1.8.13). `iptables -S` still lists the
 * chains of such a table that hold no such rules. Of the others, the kernel tells by netlink how many rules
 * there are and which of them only jump: enough to know at which position a rule of ours has to be added,
 * but not whether it is there.
 */
import { hiddenRule } from '../../codec/iptables/iptables-save.js';
import {
  listChainsRequest,
  listRulesRequest,
  type ObservedChain,
  parseChain,
  parseRule,
} from '../../codec/nf-tables/nft-messages.js';
import type { Family } from '../../core/address.js';
import { builtInChains, dockerChains, ownedChains } from '../../core/rules/rule.js';
import { collectDump } from '../netlink/socket/dump.js';
import { netlinkProtocol } from '../netlink/socket/netlink-socket.js';
import { CommandError, runCommand } from '../process/exec.js';

/** Far more than listing 10,000 rules takes (0.1 s), for a machine under load. */
export const firewallTimeoutMs = 30_000;

/** The chains that can hold rules of ours. */
const readChains: ReadonlySet<string> = new Set([
  ...builtInChains,
  ...dockerChains,
  ...ownedChains,
]);

/** The lines that `iptables-save` would print for {@link readChains} of these tables. */
export async function readByChain(
  family: Family,
  tool: string,
  tables: readonly string[],
): Promise<string> {
  const chains = await chainsOf(family);
  const lines: string[] = [];
  for (const table of tables) {
    const own = chains.filter((each) => each.table === table && readChains.has(each.name));
    lines.push(`*${table}`);
    for (const { name, policy } of own) lines.push(`:${name} ${policy ?? '-'} [0:0]`);
    for (const { name } of own) {
      const rules = await listChain(tool, table, name);
      lines.push(...(rules ?? (await listHidden(family, table, name))));
    }
    lines.push('COMMIT');
  }
  return `${lines.join('\n')}\n`;
}

/** The kernel's chains of nf_tables. */
export function chainsOf(family: Family): Promise<ObservedChain[]> {
  const request = listChainsRequest(family);
  return collectDump(netlinkProtocol.netfilter, request, (_type, body) => parseChain(body));
}

/** The lines of one chain; undefined if it holds rules that iptables cannot print. */
async function listChain(
  tool: string,
  table: string,
  chain: string,
): Promise<string[] | undefined> {
  try {
    const args = ['-t', table, '-S', chain];
    const { stdout } = await runCommand(tool, args, { timeoutMs: firewallTimeoutMs });
    // The first line declares the chain; the others are its rules, which can have several lines each.
    return stdout.trimEnd().split('\n').slice(1);
  } catch (error) {
    if (error instanceof CommandError && error.stderr.includes('is incompatible')) return undefined;
    throw error;
  }
}

async function listHidden(family: Family, table: string, chain: string): Promise<string[]> {
  const request = listRulesRequest(family, table, chain);
  const parse = (_type: number, body: Buffer) => parseRule(body);
  const rules = await collectDump(netlinkProtocol.netfilter, request, parse);
  return rules.map(({ handle, jump }) =>
    jump === undefined ? hiddenRule(chain, handle) : `-A ${chain} -j ${jump}`,
  );
}
