/**
 * The host that a bundle describes: its rules, and answers to the questions of the simulation. The host on which this
 * runs is not read.
 */
import { HostAddresses } from '../../../codec/host-addresses.js';
import { readNativeTable } from '../../../codec/nft/native-tables.js';
import { readRouting } from '../../../codec/routing.js';
import type { Family } from '../../../core/address.js';
import { messageOf } from '../../../core/errors.js';
import { type IpSet, isInIpSet } from '../../../core/explain/chains/ip-sets.js';
import type { RuleTable } from '../../../core/explain/chains/rule-table.js';
import type { NativeTable } from '../../../core/explain/native/native-table.js';
import { routePacket } from '../../../core/explain/routes/route-packets.js';
import { HostAnswers } from '../../../host/look/host-answers.js';
import { type NativeChain, tablesIn } from '../../../host/look/rule-sets.js';
import { type HostInterfaces, sortedInterfaces } from '../../../host/look/uplinks.js';
import type { NativeListing } from '../../../operator/diags/native-rules.js';
import { namesOf, readNamesDocument } from '../../../operator/names/names.js';
import { namesView } from '../../inventory/find.js';
import { noNamesView } from '../../inventory/names.js';
import { InventoryView } from '../../inventory/view.js';
import { type Archive, BadBundle, openArchive } from './archive.js';
import { BundleFiles } from './content.js';
import type { ExplainedFile } from './files.js';
import { inventoryIn } from './inventory.js';

type Row = Readonly<Record<string, unknown>>;

export interface BundledHost {
  readonly answers: HostAnswers;
  readonly view: InventoryView;
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly warnings: readonly string[];
  tables(family: Family): readonly (RuleTable | NativeTable)[];
  /** Base chains of native tables that are not understood: what they do to a packet is not known. */
  readonly unread: readonly NativeChain[];
  readonly interfaces: HostInterfaces;
}

/** @throws {BadBundle} */
export async function openBundle(path: string): Promise<BundledHost> {
  const archive = await openArchive(path);
  try {
    return hostOf(path, archive);
  } catch (error) {
    if (error instanceof BadBundle) throw error;
    // The allow-list lets such values pass: they are of the right kinds, but not where tsbridge writes them.
    throw new BadBundle(`${path} has what tsbridge diags does not write: ${messageOf(error)}`);
  }
}

function hostOf(path: string, archive: Archive): BundledHost {
  const files = new BundleFiles(path, archive);
  files.refuseRanges();
  const view = viewIn(files);
  const answers = answersOf(files);
  // The tables are read before anything is answered, so that a bundle without them is not taken for a host without
  // rules.
  const native = nativeIn(path, files);
  const tables = { 4: tablesOf(files, 4, native.tables), 6: tablesOf(files, 6, native.tables) };
  return {
    ...{ answers, view, at: archive.at },
    warnings: files.missing,
    tables: (family) => tables[family],
    unread: native.unread,
    interfaces: interfacesIn(files, answers),
  };
}

function tablesOf(
  files: BundleFiles,
  family: Family,
  native: readonly NativeTable[],
): (RuleTable | NativeTable)[] {
  const nft = files.optional(`rules-ipv${family}.txt`, '') as string;
  const legacy = files.optional(`rules-ipv${family}-legacy.txt`, '') as string;
  return [...tablesIn(nft, family, 'nft'), ...tablesIn(legacy, family, 'legacy'), ...native].filter(
    (table) => table.variant !== 'native' || table.family !== (family === 4 ? 'ip6' : 'ip'),
  );
}

/** @throws {BadBundle} for a table that is not understood and of which the bundle lists no base chain either */
function nativeIn(
  path: string,
  files: BundleFiles,
): { readonly tables: readonly NativeTable[]; readonly unread: readonly NativeChain[] } {
  const tables: NativeTable[] = [];
  const unread: NativeChain[] = [];
  for (const listing of files.optional('rules-native.json', []) as readonly NativeListing[]) {
    const table = nativeTable(listing);
    if (table !== undefined) {
      tables.push(table);
      continue;
    }
    const chains = baseChainsIn(listing);
    if (chains.length === 0) throw new BadBundle(`${path} has a table without a name or a hook`);
    unread.push(...chains);
  }
  return { tables, unread };
}

function baseChainsIn({ objects }: NativeListing): NativeChain[] {
  return objects.flatMap((object): NativeChain[] => {
    const { family, table, name, hook, policy } = ((object as Row).chain ?? {}) as Row;
    return typeof hook !== 'string'
      ? []
      : [
          {
            ...{ family: String(family), table: String(table), chain: String(name), hook },
            policy: policy === 'drop' ? 'drop' : 'accept',
          },
        ];
  });
}

function nativeTable({ objects, rules }: NativeListing): NativeTable | undefined {
  const text = rules.map((rule) => `\t\t${rule.text} # handle ${rule.handle}`).join('\n');
  return readNativeTable(JSON.stringify({ nftables: objects }), text);
}

function answersOf(files: BundleFiles): HostAnswers {
  const rows = (name: ExplainedFile) => files.required(name) as readonly Row[];
  const routes = { 4: rows('routes-ipv4.json'), 6: rows('routes-ipv6.json') };
  const local = [...routes[4], ...routes[6]].filter(({ table }) => table === 'local');
  const links = rows('links.json');
  const addresses = HostAddresses.of(links, local);
  const routing = {
    4: readRouting(4, rows('routing-rules-ipv4.json'), routes[4]),
    6: readRouting(6, rows('routing-rules-ipv6.json'), routes[6]),
  };
  const ofLinks = new Map(rows('link-settings.json').map((row) => [row.name, row] as const));
  const linkSetting = (version: 'ipv4' | 'ipv6', device: string, name: string) =>
    (ofLinks.get(device)?.[version] as Row | undefined)?.[name];
  const sysctls = files.required('sysctls.json') as Readonly<Record<string, readonly string[]>>;
  const sets = files.optional('ip-sets.json', []) as readonly IpSet[];
  const host = {
    routing,
    settings: {
      of: (device: string, name: string) => Number(linkSetting('ipv4', device, name) ?? 0),
    },
    hasAddress: (device: string) => addresses.addressesOf(device, 4).length > 0,
  };
  return new HostAnswers({
    addresses,
    lookup: async (question) => routePacket(host, question),
    isInSet: async (question) => isInIpSet(sets, question),
    bridge: async (name) => bridgeIn(links.find(({ ifname }) => ifname === name)),
    async setting(path) {
      const [, device = '', name = ''] = /^net\/ipv6\/conf\/([^/]+)\/(\w+)$/.exec(path) ?? [];
      const ofLink = linkSetting('ipv6', device, name);
      return sysctls[path]?.join(' ') ?? (ofLink === undefined ? undefined : String(ofLink));
    },
    close: () => undefined,
  });
}

function interfacesIn(files: BundleFiles, { addresses }: HostAnswers): HostInterfaces {
  const links = files.required('links.json') as readonly Row[];
  const bridges = new Set(
    links.flatMap(({ ifname, linkinfo }) =>
      ((linkinfo ?? {}) as Row).info_kind === 'bridge' ? [String(ifname)] : [],
    ),
  );
  return sortedInterfaces(addresses, (name) => bridges.has(name));
}

function bridgeIn(link: Row | undefined): Family[] | undefined {
  const { info_kind: kind, info_data: data } = (link?.linkinfo ?? {}) as Row;
  if (kind !== 'bridge') return undefined;
  const { nf_call_iptables: four, nf_call_ip6tables: six } = (data ?? {}) as Row;
  const isOn = (value: unknown) => Number(value ?? 0) === 1;
  return [...(isOn(four) ? ([4] as const) : []), ...(isOn(six) ? ([6] as const) : [])];
}

function viewIn(files: BundleFiles): InventoryView {
  const none = { networks: [], endpoints: [] };
  const { networks, endpoints } = inventoryIn(files.optional('inventory.json', none));
  const names = files.optional('names.json', undefined);
  return new InventoryView(
    { networks, endpoints, unreadable: [], source: 'records', warnings: [] },
    names === undefined ? noNamesView : namesView(namesOf(readNamesDocument(names))),
    { containers: undefined, counters: undefined },
  );
}
