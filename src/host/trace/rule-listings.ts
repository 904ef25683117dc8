/** Reads the rules of all programs, by the kernel's handles, for the reports of traced packets. */
import { messagesIn } from '../../codec/netlink/netlink-message.js';
import { listChainsRequest, parseBaseChain } from '../../codec/nf-tables/nft-chains.js';
import {
  listAllRulesRequest,
  listTablesRequest,
  parseReportedRule,
  parseTable,
} from '../../codec/nf-tables/nft-rule-messages.js';
import { readChainListing } from '../../codec/nft/nft-list.js';
import type { Family } from '../../core/address.js';
import type { TraceEvent } from '../../core/trace/event.js';
import {
  chainKey,
  type ListedRule,
  type Listing,
  rulesByHandle,
} from '../../core/trace/listing.js';
import { readRuleSets } from '../look/rule-sets.js';
import { collectDump, readDump } from '../netlink/socket/dump.js';
import { runCommand } from '../process/exec.js';

const netfilter = 12;
const attempts = 3;
const families: readonly Family[] = [4, 6];
const limits = { timeoutMs: 10_000 };

export interface ReadListing extends Listing {
  readonly rules: Map<string, ReadonlyMap<bigint, ListedRule>>;
  /** The tables that iptables prints: `ip filter`. */
  readonly iptables: ReadonlySet<string>;
  /** Chains with rules of iptables-legacy, `filter FORWARD (IPv4)`: the kernel does not report that a packet met them. */
  readonly legacy: readonly string[];
  readonly warnings: readonly string[];
}

/** @param generation asks for the kernel's generation: if it changes meanwhile, all is read again, three times at most */
export async function readListing(generation: () => number): Promise<ReadListing> {
  for (let attempt = 1; ; attempt += 1) {
    const before = generation();
    const [tables, chains, handles, ...sets] = await Promise.all([
      collectDump(netfilter, listTablesRequest, parseTable),
      collectDump(netfilter, listChainsRequest, parseBaseChain),
      readHandles(),
      ...families.map(readRuleSets),
    ]);
    const torn = generation() !== before;
    if (torn && attempt < attempts) continue;
    const all = sets.flatMap((set) => set.tables);
    const legacy = all.flatMap(({ variant, name, family, chains: own }) =>
      variant === 'legacy'
        ? [...own.values()].flatMap((chain) =>
            chain.rules.length > 0 || chain.policy === 'DROP'
              ? `${name} ${chain.name} (IPv${family})`
              : [],
          )
        : [],
    );
    const warnings = new Set(sets.flatMap((set) => set.warnings));
    if (torn) warnings.add('rules change all the time: some steps may have no text');
    const printed = all.filter(({ variant }) => variant === 'nft');
    return {
      generation: before,
      iptables: new Set(
        printed.map(({ family, name }) => `${family === 4 ? 'ip' : 'ip6'} ${name}`),
      ),
      rules: new Map(rulesByHandle(all, handles)),
      tables: new Map(tables.map(({ family, name, handle }) => [`${family} ${name}`, handle])),
      hooks: new Map(chains.map((chain) => [chainKey(chain), chain.hook])),
      legacy,
      warnings: [...warnings],
    };
  }
}

async function readHandles(): Promise<Map<string, bigint[]>> {
  const found = new Map<string, bigint[]>();
  for (const family of families) {
    await readDump(netfilter, listAllRulesRequest(family), (datagram) => {
      for (const { type, start, end } of messagesIn(datagram)) {
        const rule = parseReportedRule(type, datagram.subarray(start, end));
        if (rule === undefined) continue;
        const { table, chain, handle } = rule;
        const key = chainKey({ family: family === 4 ? 'ip' : 'ip6', table, chain });
        const known = found.get(key);
        if (known === undefined) found.set(key, [BigInt(handle)]);
        else known.push(BigInt(handle));
      }
    });
  }
  return found;
}

/** Adds the native chains that the reports name, as nft prints them: iptables prints none of them. */
export async function addNativeChains(
  listing: ReadListing,
  events: readonly TraceEvent[],
): Promise<void> {
  for (const event of events) {
    const key = chainKey(event);
    const { family, table, chain, handle } = event;
    if (handle === undefined || listing.rules.has(key)) continue;
    if (listing.iptables.has(`${family} ${table}`)) continue;
    // A chain that cannot be listed (it may be gone) has no texts: its rules are shown by their handles.
    const listed = await runCommand(
      'nft',
      ['-a', 'list', 'chain', family, table, chain],
      limits,
    ).then(
      ({ stdout }) => readChainListing(stdout),
      () => new Map(),
    );
    listing.rules.set(key, listed);
  }
}
