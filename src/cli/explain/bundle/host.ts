/**
 * The host that a bundle describes: its rules, and answers to the questions of the simulation. The host on which this
 * runs is not read.
 */
import { HostAddresses } from '../../../codec/host-addresses.js';
import { readNativeTable } from '../../../codec/nft/native-tables.js';
import { readRouting } from '../../../codec/routing.js';
import type { Family } from '../../../core/address.js';
import { messageOf } from '../../../core/errors.js';
import { type IpSet, isInIpSet } from '../../../core/explain/ip-sets.js';
import type { NativeTable } from '../../../core/explain/native/native-table.js';
import { routePacket } from '../../../core/explain/routes/route-packets.js';
import type { RuleTable } from '../../../core/explain/rule-table.js';
import { HostAnswers } from '../../../host/look/host-answers.js';
import { tablesIn } from '../../../host/look/rule-sets.js';
import type { NativeListing } from '../../../operator/diags/native-rules.js';
import type { Inventory } from '../../../operator/inventory/inventory.js';
import { namesOf, readNamesDocument } from '../../../operator/names/names.js';
import { namesView } from '../../inventory/find.js';
import { noNamesView } from '../../inventory/names.js';
import { InventoryView } from '../../inventory/view.js';
import { type Archive, BadBundle, openArchive } from './archive.js';
import { BundleFiles } from './content.js';
import type { ExplainedFile } from './files.js';

type Row = Readonly<Record<string, unknown>>;

export interface BundledHost {
  readonly answers: HostAnswers;
  readonly view: InventoryView;
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly warnings: readonly string[];
  tables(family: Family): readonly (RuleTable | NativeTable)[];
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
  const tables = { 4: tablesOf(files, 4), 6: tablesOf(files, 6) };
  return {
    ...{ answers, view, at: archive.at },
    warnings: files.missing,
    tables: (family) => tables[family],
  };
}

function tablesOf(files: BundleFiles, family: Family): (RuleTable | NativeTable)[] {
  const nft = files.optional(`rules-ipv${family}.txt`, '') as string;
  const legacy = files.optional(`rules-ipv${family}-legacy.txt`, '') as string;
  const native = files.optional('rules-native.json', []) as readonly NativeListing[];
  return [
    ...tablesIn(nft, family, 'nft'),
    ...tablesIn(legacy, family, 'legacy'),
    ...native.flatMap((table) => nativeTable(table) ?? []),
  ].filter((table) => table.variant !== 'native' || table.family !== (family === 4 ? 'ip6' : 'ip'));
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

function bridgeIn(link: Row | undefined): Family[] | undefined {
  const { info_kind: kind, info_data: data } = (link?.linkinfo ?? {}) as Row;
  if (kind !== 'bridge') return undefined;
  const { nf_call_iptables: four, nf_call_ip6tables: six } = (data ?? {}) as Row;
  const isOn = (value: unknown) => Number(value ?? 0) === 1;
  return [...(isOn(four) ? ([4] as const) : []), ...(isOn(six) ? ([6] as const) : [])];
}

function viewIn(files: BundleFiles): InventoryView {
  const none = { networks: [], endpoints: [] };
  const { networks, endpoints } = files.optional('inventory.json', none) as Inventory;
  for (const list of [networks, endpoints])
    if (!Array.isArray(list)) throw new TypeError('no list');
  const names = files.optional('names.json', undefined);
  return new InventoryView(
    { networks, endpoints, unreadable: [], source: 'records', warnings: [] },
    names === undefined ? noNamesView : namesView(namesOf(readNamesDocument(names))),
    { containers: undefined, counters: undefined },
  );
}
