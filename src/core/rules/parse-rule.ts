/**
 * The text of a rule → the rule, if it is a text that {@link makeRule} writes. The rule is made anew from
 * validated values, and answered only if that gives the same text, so that no text of other programs
 * reaches a command.
 */
import { addressBeforePort, type Family, familyOf, parseCidr, parseIp } from '../address.js';
import { parseInterfaceName } from '../names.js';
import { type PortMatch, parsePort, protocols } from '../ports/port.js';
import { parseFwMark } from './fw-mark.js';
import {
  dockerChains,
  type Matches,
  makeRule,
  ownedChains,
  type Rule,
  type RuleChain,
  type Table,
  type Target,
  type Translation,
} from './rule.js';

/** undefined: {@link makeRule} writes no such text, or the rule is of another family. */
export function parseRule(
  family: Family,
  table: Table,
  chain: RuleChain,
  text: string,
): Rule | undefined {
  const [, conditions = '', decision = ''] = /^(.* )?-j (.*)$/.exec(text) ?? [];
  const matches = parseMatches(conditions);
  const target = parseTarget(decision);
  if (matches === undefined || target === undefined) return undefined;
  const rule = makeRule(family, table, chain, matches, target);
  return rule.text === text && isOfFamily(rule) ? rule : undefined;
}

/** `-m MODULE` is left out before parsing: the option that follows it implies the module. */
const announcements = /-m (?:addrtype|mark|conntrack|tcp|udp|sctp)(?: |$)/g;

function parseMatches(text: string): Matches | undefined {
  let matches: Matches = {};
  const words = text.replaceAll(announcements, '').split(' ').filter(Boolean);
  while (words.length > 0) {
    const negated = words[0] === '!';
    if (negated) words.shift();
    const [flag = '', value = ''] = words.splice(0, 2);
    const match =
      parseMatch(flag, value, negated) ?? (negated ? undefined : plainMatch(flag, value));
    if (match === undefined) return undefined;
    matches = { ...matches, ...match };
  }
  return matches;
}

/** Parses an option that can be negated. */
function parseMatch(flag: string, value: string, negated: boolean): Matches | undefined {
  const matched = <T>(one: T): T | { readonly not: T } => (negated ? { not: one } : one);
  const cidr = flag === '-s' || flag === '-d' ? parseCidr(value) : undefined;
  if (cidr !== undefined) {
    return flag === '-s' ? { source: matched(cidr) } : { destination: matched(cidr) };
  }
  const name = flag === '-i' || flag === '-o' ? parseInterfaceName(value) : undefined;
  if (name === undefined) return undefined;
  return flag === '-i' ? { inInterface: matched(name) } : { outInterface: matched(name) };
}

function plainMatch(flag: string, value: string): Matches | undefined {
  const exact: Readonly<Record<string, Matches>> = {
    '--src-type LOCAL': { localSource: true },
    '--dst-type LOCAL': { localDestination: true },
    '--dst-type LOCAL,BROADCAST': { hostDestination: true },
    '--dst-type LOCAL,ANYCAST': { hostDestination: true },
    '--ctstate RELATED,ESTABLISHED': { established: true },
    '--ctstate DNAT': { translated: true },
  };
  if (flag === '--sport' || flag === '--dport') {
    const port = parsePorts(value, ':');
    if (port === undefined) return undefined;
    return flag === '--sport' ? { sourcePort: port } : { destinationPort: port };
  }
  if (flag === '-p') {
    const named = value === 'ipv6-icmp' ? 'icmpv6' : value;
    const protocol = ([...protocols, 'icmp', 'icmpv6'] as const).find((one) => one === named);
    return protocol === undefined ? undefined : { protocol };
  }
  if (flag === '--mark') {
    const mark = parseFwMark(value);
    return mark === undefined ? undefined : { mark };
  }
  return exact[`${flag} ${value}`];
}

function parseTarget(text: string): Target | undefined {
  const plain = (['ACCEPT', 'DROP', 'RETURN', 'MASQUERADE'] as const).find((one) => one === text);
  if (plain !== undefined) return plain;
  const jump = [...dockerChains, ...ownedChains].find((chain) => chain === text);
  if (jump !== undefined) return { jump };
  const [, kind, value = ''] =
    /^(?:(SNAT --to-source|DNAT --to-destination) )(\S+)$/.exec(text) ?? [];
  if (kind === 'SNAT --to-source') {
    const snat = parseIp(value);
    return snat === undefined ? undefined : { snat };
  }
  const dnat = kind === undefined ? undefined : parseTranslation(value);
  return dnat === undefined ? undefined : { dnat };
}

/** `10.5.0.2:80`, `[fd00::2]:80-89/8000`, `10.5.0.2`. */
function parseTranslation(text: string): Translation | undefined {
  const alone = parseIp(text);
  if (alone !== undefined) return { address: alone };
  const [, host = '', ports = '', first] = /^(.+):([\d-]+)(?:\/(\d+))?$/.exec(text) ?? [];
  const address = parseIp(addressBeforePort(host) ?? '');
  const port = parsePorts(ports, '-');
  const base = first === undefined ? undefined : parsePort(Number(first));
  if (address === undefined || port === undefined) return undefined;
  return { address, port, ...(base === undefined ? {} : { base }) };
}

function parsePorts(text: string, separator: string): PortMatch | undefined {
  const [first, last, ...more] = text.split(separator).map((word) => parsePort(Number(word)));
  if (first === undefined || more.length > 0) return undefined;
  if (!text.includes(separator)) return first;
  return last === undefined ? undefined : { first, last };
}

function isOfFamily({ family, matches, target }: Rule): boolean {
  const cidrs = [matches.source, matches.destination].map((matched) =>
    matched !== undefined && 'not' in matched ? matched.not : matched,
  );
  const addresses =
    typeof target === 'string' || 'jump' in target
      ? []
      : ['snat' in target ? target.snat : target.dnat.address];
  return (
    cidrs.every((cidr) => cidr === undefined || cidr.family === family) &&
    addresses.every((address) => familyOf(address) === family)
  );
}
