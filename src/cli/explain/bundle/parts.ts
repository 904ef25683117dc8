/** The parts of a bundle from which `tsbridge explain --from` answers, and how they are read from this host. */
import { readdir, readFile } from 'node:fs/promises';
import { parseIpJson } from '../../../codec/ip-json.js';
import { readIpSets } from '../../../codec/ip-set-save.js';
import { readChainListing } from '../../../codec/nft/nft-list.js';
import { unreadKeys } from '../../../codec/routing.js';
import { readNativeListings } from '../../../host/look/native-tables.js';
import { readLegacyText, readNativeChains } from '../../../host/look/rule-sets.js';
import { CommandError, runCommand } from '../../../host/process/exec.js';
import type { Part } from '../../../operator/diags/bundle.js';
import type { NativeListing } from '../../../operator/diags/native-rules.js';
import { type ExplainedFile, explainedFiles, linkSettings, sysctls } from './files.js';

const limits = { timeoutMs: 10_000 };
/** Most entries of one ipset in a bundle. A set with more is written without entries, as `isUnread`. */
const mostEntries = 20_000;

/**
 * @param inventory reads the networks, endpoints and ports of tsbridge
 * @param names reads the names of containers and networks
 */
export function explainedParts(
  inventory: () => Promise<unknown>,
  names: () => Promise<unknown>,
): Part[] {
  const part = (name: ExplainedFile, source: string, read: Part['read']): Part => ({
    ...{ name, source, allowList: explainedFiles[name], read },
  });
  const command = (
    name: ExplainedFile,
    line: string,
    of: (output: string) => unknown = (output) => output,
  ): Part => part(name, line, async () => of(await output(line)));
  return [
    command('rules-ipv4.txt', 'iptables-nft-save -c'),
    command('rules-ipv6.txt', 'ip6tables-nft-save -c'),
    part('rules-ipv4-legacy.txt', 'iptables-legacy-save -c', () => readLegacyText(4)),
    part('rules-ipv6-legacy.txt', 'ip6tables-legacy-save -c', () => readLegacyText(6)),
    part('rules-native.json', "nft list table, of tables of nft's own", readNative),
    part('ip-sets.json', 'ipset save', readSets),
    command('links.json', 'ip -j -d address', parseIpJson),
    part('link-settings.json', '/proc/sys/net/ipv4/conf', readLinkSettings),
    part('sysctls.json', '/proc/sys', readSettings),
    command('routes-ipv4.json', 'ip -j -4 route show table all', parseIpJson),
    command('routes-ipv6.json', 'ip -j -6 route show table all', parseIpJson),
    command('routing-rules-ipv4.json', 'ip -j -4 rule', rulesIn),
    command('routing-rules-ipv6.json', 'ip -j -6 rule', rulesIn),
    part('inventory.json', 'GET /v1/inventory of the daemon, or its records', inventory),
    part('names.json', 'GET /v1/names of the daemon', names),
  ];
}

async function output(line: string): Promise<string> {
  const [file = '', ...args] = line.split(' ');
  return (await runCommand(file, args, limits)).stdout;
}

async function readNative(): Promise<NativeListing[]> {
  const listings = await readNativeListings(await readNativeChains());
  return listings.map(({ json, text }) => {
    const { nftables } = JSON.parse(json) as { nftables: readonly object[] };
    // The object `metainfo` tells the version of nft, in free text.
    const objects = nftables.filter((each) => !('metainfo' in each));
    const rules = [...readChainListing(text)].map(([handle, rule]) => ({
      handle: Number(handle),
      text: rule.text,
    }));
    return { objects, rules };
  });
}

/** An empty list if the program `ipset` is not installed: then the host is taken to have no ipsets. */
async function readSets(): Promise<unknown> {
  try {
    return readIpSets(await output('ipset save'), mostEntries);
  } catch (error) {
    if (error instanceof CommandError && error.failure === 'not-found') return [];
    throw error;
  }
}

/**
 * Rows of `ip -j rule`. `others` has the names of conditions that this version does not know: their values are
 * withheld.
 */
function rulesIn(text: string): unknown {
  return parseIpJson(text).map((row) => ({
    ...row,
    ...('not' in row ? { not: 'yes' } : {}),
    others: unreadKeys(row),
  }));
}

async function readSettings(): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const path of sysctls) {
    const text = await textOf(`/proc/sys/${path}`);
    if (text !== undefined) found[path] = text.split(/\s+/);
  }
  return found;
}

async function readLinkSettings(): Promise<unknown[]> {
  const folder = '/proc/sys/net';
  const names = await readdir(`${folder}/ipv4/conf`);
  return Promise.all(
    names.map(async (name) => {
      const of = async (version: keyof typeof linkSettings) => {
        const values: [string, number][] = [];
        for (const setting of linkSettings[version]) {
          const text = await textOf(`${folder}/${version}/conf/${name}/${setting}`);
          if (text !== undefined) values.push([setting, Number(text)]);
        }
        return Object.fromEntries(values);
      };
      return { name, ipv4: await of('ipv4'), ipv6: await of('ipv6') };
    }),
  );
}

async function textOf(path: string): Promise<string | undefined> {
  return (await readFile(path, 'utf8').catch(() => undefined))?.trim();
}
