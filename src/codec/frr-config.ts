/** Reads FRR's configuration, from its file or from `vtysh -c 'show running-config'`, and FRR's routes as JSON. */
import { type Cidr, type Family, parseCidr } from '../core/address.js';
import type { FrrConfig, ListedPrefix, Redistributed } from '../core/doctor/routing-facts.js';

type Protocol = Redistributed['protocol'];

/** The `router` block in which a line stands. */
interface Block {
  readonly protocol: Protocol;
  /** The family of the `address-family` block in which the line stands; IPv4 outside of one. undefined: neither IPv4 nor IPv6 unicast. */
  readonly family: Family | undefined;
}

/**
 * Reads the lines by which FRR announces routes of this host: `router`, `redistribute` and prefix lists. All other
 * lines are passed over, and so are the routers of other VRFs and views, which announce nothing of this host's tables.
 */
export function parseFrrConfig(text: string): FrrConfig {
  const redistributed: Redistributed[] = [];
  const protocols = new Set<Protocol>();
  let lists: ListedPrefix[] = [];
  let block: Block | undefined;
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/);
    if (/^[!#]/.test(line.trim()) || words[0] === '') continue;
    if (/^\S/.test(line)) {
      block = blockOf(words);
      if (block !== undefined) protocols.add(block.protocol);
      const [no, ...rest] = words;
      if (no === 'no') lists = lists.filter((each) => !isRemovedBy(each, rest));
      lists.push(...listedIn(words));
    } else if (words[0] === 'address-family' && block !== undefined) {
      block = { ...block, family: familyOf(words) };
    } else if (words[0] === 'exit-address-family' && block !== undefined) {
      block = { ...block, family: 4 };
    } else if (words[0] === 'redistribute' && words[1] !== undefined) {
      if (block?.family === undefined) continue;
      const map = words[words.indexOf('route-map') + 1];
      redistributed.push({
        protocol: block.protocol,
        family: block.family,
        source: words[1],
        ...(words.includes('route-map') && map !== undefined ? { map } : {}),
      });
    }
  }
  return { protocols: [...protocols], redistributed, lists };
}

/** The block that the line begins; undefined if it begins no router of BGP or OSPF, or one of another VRF or a view. */
function blockOf(words: readonly string[]): Block | undefined {
  const [router, name] = words;
  const protocol = (['bgp', 'ospf'] as const).find((each) => each === name);
  const isOther = words.includes('vrf') || words.includes('view');
  if (router !== 'router' || protocol === undefined || isOther) return undefined;
  return { protocol, family: 4 };
}

function familyOf([, name, kind = 'unicast']: readonly string[]): Family | undefined {
  if (kind !== 'unicast') return undefined;
  return name === 'ipv4' ? 4 : name === 'ipv6' ? 6 : undefined;
}

/** The entry of a line `ip prefix-list NAME [seq NUMBER] permit|deny PREFIX`; none for other lines. */
function listedIn(words: readonly string[]): ListedPrefix[] {
  const [ip = '', kind, list, ...rest] = words;
  const family = ({ ip: 4, ipv6: 6 } as const)[ip as 'ip' | 'ipv6'];
  if (family === undefined || kind !== 'prefix-list' || list === undefined) return [];
  const sequence = rest[0] === 'seq' ? Number(rest.splice(0, 2)[1]) : undefined;
  const [action, prefix = '', ...lengths] = rest;
  if (action !== 'permit' && action !== 'deny') return [];
  const bits = family === 4 ? 32 : 128;
  const cidr = parseCidr(prefix === 'any' ? (family === 4 ? '0.0.0.0/0' : '::/0') : prefix);
  if (cidr === undefined || cidr.family !== family) return [];
  const numberOf = (word: string) => {
    const at = lengths.indexOf(word);
    return at < 0 ? undefined : Number(lengths[at + 1]);
  };
  const [ge, le] = [numberOf('ge'), numberOf('le')];
  const least = ge ?? cidr.prefixLength;
  const most = le ?? (ge === undefined && prefix !== 'any' ? least : bits);
  const order = sequence === undefined ? {} : { sequence };
  return [{ list, isPermitted: action === 'permit', cidr, least, most, ...order }];
}

/** Whether a line `no ip prefix-list …` removes the entry. @param words of the line behind its `no`: they name a whole list, or one entry of it */
function isRemovedBy(entry: ListedPrefix, words: readonly string[]): boolean {
  const [ip, kind, list, ...rest] = words;
  const family = ip === 'ip' ? 4 : 6;
  if (kind !== 'prefix-list' || list !== entry.list || entry.cidr.family !== family) return false;
  if (rest.length === 0) return true;
  if (rest[0] === 'seq') return Number(rest[1]) === entry.sequence;
  const [named] = listedIn(words);
  return (
    named !== undefined &&
    named.isPermitted === entry.isPermitted &&
    named.cidr.address === entry.cidr.address &&
    named.cidr.prefixLength === entry.cidr.prefixLength &&
    named.least === entry.least &&
    named.most === entry.most
  );
}

/**
 * Reads what `vtysh -c 'show running-config'` answers.
 *
 * @throws {Error} if it is something else: vtysh ends with 0 also after an error of its own
 */
export function parseRunningConfig(text: string): FrrConfig {
  if (!/^Current configuration:/m.test(text)) throw new Error('this is no configuration of FRR');
  return parseFrrConfig(text);
}

/**
 * Destinations of `show ip route … json`.
 *
 * @throws {Error} if it is not a JSON object
 */
export function parseFrrRoutes(text: string): Cidr[] {
  const routes: unknown = JSON.parse(text);
  if (typeof routes !== 'object' || routes === null || Array.isArray(routes)) {
    throw new Error('these are no routes of FRR');
  }
  return Object.keys(routes).flatMap((key) => parseCidr(key) ?? []);
}
