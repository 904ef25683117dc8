/** Reads FRR's configuration, from its file or from `vtysh -c 'show running-config'`, and FRR's routes as JSON. */
import { type Cidr, parseCidr } from '../core/address.js';
import type { FrrConfig, ListedPrefix } from '../core/doctor/routing-facts.js';

/**
 * Reads the lines by which FRR announces routes of this host: `router`, `redistribute` and prefix lists. All other
 * lines are passed over.
 */
export function parseFrrConfig(text: string): FrrConfig {
  const redistributed: { protocol: 'bgp' | 'ospf'; source: string }[] = [];
  const protocols = new Set<'bgp' | 'ospf'>();
  const lists: ListedPrefix[] = [];
  let router: 'bgp' | 'ospf' | undefined;
  for (const line of text.split('\n')) {
    if (/^\S/.test(line) && !line.startsWith('!')) {
      const [, protocol] = /^router (bgp|ospf)\b/.exec(line) ?? [];
      router = protocol as 'bgp' | 'ospf' | undefined;
      if (router !== undefined) protocols.add(router);
      lists.push(...listedIn(line));
    }
    const [, source] = /^\s+redistribute (\w+)\b/.exec(line) ?? [];
    if (router !== undefined && source !== undefined) {
      redistributed.push({ protocol: router, source });
    }
  }
  return { protocols: [...protocols], redistributed, lists };
}

/** The prefixes that a line `prefix-list … permit` names; none for other lines, and for `any`. */
function listedIn(line: string): ListedPrefix[] {
  const [, name, permits, prefix = '', rest = ''] =
    /^ip(?:v6)? prefix-list (\S+) (?:seq \d+ )?(permit|deny) (\S+)(.*)$/.exec(line) ?? [];
  const cidr = prefix === 'any' ? undefined : parseCidr(prefix);
  if (name === undefined || permits !== 'permit' || cidr === undefined) return [];
  const numberOf = (word: string) => new RegExp(` ${word} (\\d+)`).exec(rest)?.[1];
  const least = Number(numberOf('ge') ?? cidr.prefixLength);
  const most = Number(numberOf('le') ?? (numberOf('ge') === undefined ? least : 128));
  return [{ list: name, cidr, least, most }];
}

/**
 * Destinations of `show ip route … json`.
 *
 * @throws {Error} if it is not a JSON object
 */
export function parseFrrRoutes(text: string): Cidr[] {
  return Object.keys(JSON.parse(text) as object).flatMap((key) => parseCidr(key) ?? []);
}
