/**
 * One firewall rule as data: built from validated values, compared and rendered by its text.
 *
 * The text is the one that `iptables-save` prints for the rule (iptables 1.8), so that a desired and an
 * observed rule are equal exactly if their texts are.
 */
import { type Brand, type Cidr, cidrText, type Family, type IpAddress } from '../address.js';
import type { InterfaceName } from '../names.js';
import type { Port, PortMatch, Protocol } from '../ports/port.js';
import type { FwMark } from './fw-mark.js';

export const tables = ['raw', 'mangle', 'nat', 'filter'] as const;
export type Table = (typeof tables)[number];

export const builtInChains = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'] as const;
export const dockerChains = [
  'DOCKER',
  'DOCKER-USER',
  'DOCKER-ISOLATION',
  'DOCKER-ISOLATION-STAGE-1',
  'DOCKER-ISOLATION-STAGE-2',
  'DOCKER-FORWARD',
  'DOCKER-BRIDGE',
  'DOCKER-CT',
  'DOCKER-INTERNAL',
] as const;
export type DockerChain = (typeof dockerChains)[number];
/**
 * Chains of tsbridge's own, for options that Docker does not have. They are there only while a network, an endpoint or
 * a port has rules in them, and every rule in them is the driver's.
 */
export const ownedChains = [
  'TSBRIDGE-ACCEPT',
  'TSBRIDGE-SOURCE',
  'TSBRIDGE-ANSWERS',
  'TSBRIDGE-EGRESS',
  'TSBRIDGE-EGRESS-DROP',
  'TSBRIDGE-PUBLISH',
  'TSBRIDGE-PUBLISH-DROP',
  'TSBRIDGE-PROXY',
  'TSBRIDGE-PROXY-DROP',
] as const;
export type OwnedChain = (typeof ownedChains)[number];
export type Chain = (typeof builtInChains)[number] | DockerChain | OwnedChain;
/**
 * Chains that exist within one transaction only, in which iptables shows how it writes rules: the first one
 * holds these rules, the others are jumped to.
 */
export const probeChains = [
  'TSBRIDGE-PROBE',
  'TSBRIDGE-PROBE-A',
  'TSBRIDGE-PROBE-BB',
  'TSBRIDGE-PROBE-CCC',
] as const;
export type ProbeChain = (typeof probeChains)[number];
/** Chains that rules can be made for: what is in DOCKER-USER is the administrator's alone. */
export type RuleChain = Exclude<Chain, 'DOCKER-USER'> | ProbeChain;

/** A value that packets must have, or with `not` must not have. */
export type Matched<T> = T | { readonly not: T };

/** All conditions must hold; an absent one holds always. */
export interface Matches {
  readonly source?: Matched<Cidr>;
  readonly destination?: Matched<Cidr>;
  readonly inInterface?: Matched<InterfaceName>;
  readonly outInterface?: Matched<InterfaceName>;
  readonly protocol?: Protocol | 'icmp' | 'icmpv6';
  /** Needs `protocol`. */
  readonly sourcePort?: PortMatch;
  /** Needs `protocol`. */
  readonly destinationPort?: PortMatch;
  readonly localSource?: true;
  readonly localDestination?: true;
  /** The host takes the packet in: by an address of its own, or one that it listens to beside (broadcast, anycast). */
  readonly hostDestination?: true;
  readonly established?: true;
  /** The flow's destination was translated, by whatever rule. */
  readonly translated?: true;
  /** As {@link parseFwMark} gives it. */
  readonly mark?: FwMark;
}

export type Target =
  | 'ACCEPT'
  | 'DROP'
  | 'RETURN'
  | 'MASQUERADE'
  | 'CHECKSUM'
  | { readonly jump: DockerChain | OwnedChain | ProbeChain }
  | { readonly snat: IpAddress }
  | { readonly dnat: Translation };

/** Where translated connections go. */
export interface Translation {
  readonly address: IpAddress;
  /** Without it the port stays as it is. */
  readonly port?: PortMatch;
  /**
   * For a range in `port`: the host port that is led to its first port, the next one to the second, and so on.
   */
  readonly base?: Port;
}

export interface Rule {
  readonly family: Family;
  readonly table: Table;
  readonly chain: RuleChain;
  readonly matches: Matches;
  readonly target: Target;
  /** Without `-A CHAIN`: `-i br-0 ! -o br-0 -j ACCEPT`. */
  readonly text: RuleText;
}

/** Only {@link makeRule} makes one, of validated values: no text from outside reaches a restore. */
export type RuleText = Brand<string, 'RuleText'>;

/**
 * Where a rule goes that is not there yet.
 * `anchor`: among the chain's jumps that stay above everything of ours, in the order given;
 * `top`: above all other rules but the anchors; `end`: below everything.
 */
export type Place = 'anchor' | 'top' | 'end';

export interface PlacedRule {
  readonly rule: Rule;
  readonly place: Place;
}

/** The only way to make a {@link Rule}. */
export function makeRule(
  family: Family,
  table: Table,
  chain: RuleChain,
  matches: Matches,
  target: Target,
): Rule {
  return { family, table, chain, matches, target, text: ruleText(family, matches, target) };
}

/** A rule of {@link makeRule} with its place. */
export function place(
  where: Place,
  family: Family,
  table: Table,
  chain: RuleChain,
  matches: Matches,
  target: Target,
): PlacedRule {
  return { place: where, rule: makeRule(family, table, chain, matches, target) };
}

function ruleText(family: Family, matches: Matches, target: Target): RuleText {
  const words: string[] = [];
  option(words, '-s', matches.source, cidrText);
  option(words, '-d', matches.destination, cidrText);
  option(words, '-i', matches.inInterface, String);
  option(words, '-o', matches.outInterface, String);
  const { protocol } = matches;
  if (protocol !== undefined) words.push('-p', protocol === 'icmpv6' ? 'ipv6-icmp' : protocol);
  if (matches.localSource) words.push('-m addrtype --src-type LOCAL');
  if (matches.localDestination) words.push('-m addrtype --dst-type LOCAL');
  if (matches.hostDestination) words.push(`-m addrtype --dst-type ${hostTypes[family]}`);
  if (matches.mark !== undefined) words.push(`-m mark --mark ${matches.mark}`);
  if (matches.established) words.push('-m conntrack --ctstate RELATED,ESTABLISHED');
  if (matches.translated) words.push('-m conntrack --ctstate DNAT');
  if (matches.sourcePort !== undefined || matches.destinationPort !== undefined) {
    words.push(`-m ${protocol}`);
    if (matches.sourcePort !== undefined) words.push('--sport', portText(matches.sourcePort, ':'));
    if (matches.destinationPort !== undefined) {
      words.push('--dport', portText(matches.destinationPort, ':'));
    }
  }
  words.push('-j', targetText(target));
  return words.join(' ') as RuleText;
}

/** IPv6 has no broadcast, and the kernel refuses to match it; a router there has an anycast address in each subnet. */
const hostTypes = { 4: 'LOCAL,BROADCAST', 6: 'LOCAL,ANYCAST' } as const;

function option<T>(
  words: string[],
  flag: string,
  matched: Matched<T> | undefined,
  text: (value: T) => string,
): void {
  if (matched === undefined) return;
  if (isNegated(matched)) words.push('!', flag, text(matched.not));
  else words.push(flag, text(matched));
}

/** The value, whether packets must have it or not. */
export function unnegated<T>(matched: Matched<T>): T {
  return isNegated(matched) ? matched.not : matched;
}

export function isNegated<T>(matched: Matched<T>): matched is { readonly not: T } {
  return typeof matched === 'object' && matched !== null && 'not' in matched;
}

function portText(port: PortMatch, separator: string): string {
  return typeof port === 'number' ? String(port) : `${port.first}${separator}${port.last}`;
}

function targetText(target: Target): string {
  if (target === 'CHECKSUM') return 'CHECKSUM --checksum-fill';
  if (typeof target === 'string') return target;
  if ('jump' in target) return target.jump;
  if ('snat' in target) return `SNAT --to-source ${target.snat}`;
  return `DNAT --to-destination ${translationText(target.dnat)}`;
}

function translationText({ address, port, base }: Translation): string {
  if (port === undefined) return address;
  const host = address.includes(':') ? `[${address}]` : address;
  return `${host}:${portText(port, '-')}${base === undefined ? '' : `/${base}`}`;
}
