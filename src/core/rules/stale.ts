/**
 * Rules in Docker's chains that are about networks or ports of ours and are not desired: from a dump that an
 * administrator restored, or from a daemon whose records were lost. Such a rule can lead a published port to
 * an address that another container has now.
 *
 * dockerd itself empties Docker's chains at each start, so that no administrator keeps rules there. Other
 * chains (built-in ones, an administrator's, DOCKER-USER) are not searched. A rule that names the bridge of
 * another driver's network belongs to that driver. Chains of tsbridge's own hold nothing that is another's.
 */
import {
  type Cidr,
  contains,
  type Family,
  familyOf,
  hostCidr,
  type IpAddress,
  isUnspecified,
} from '../address.js';
import type { InterfaceName } from '../names.js';
import type { PortBinding, PortMatch } from '../ports/port.js';
import { parseRule } from './parse-rule.js';
import { dockerChains, type Matched, ownedChains, type Rule, type Table } from './rule.js';
import type { RuleSet } from './rule-set.js';

/** What a rule names if it is ours. */
export interface OwnThings {
  /** Made for our networks: whatever names one of them is ours. */
  readonly bridges: ReadonlySet<string>;
  /** Made by the user, for our networks and perhaps those of others: to name one of them proves nothing. */
  readonly sharedBridges: ReadonlySet<string>;
  readonly subnets: readonly Cidr[];
  /** What containers of our networks publish: no other program has these host ports. */
  readonly bindings: readonly PortBinding[];
}

export interface StaleRule {
  readonly rule: Rule;
  /**
   * Interfaces that the rule names and that are not our bridges. If one of them exists, the rule is not ours.
   */
  readonly strangers: readonly InterfaceName[];
  /**
   * Where it leads, if it names no bridge at all, as engines without userland proxy write it. If another
   * bridge has this address in its subnet, the rule is not ours.
   */
  readonly leadsTo: IpAddress | undefined;
}

/** How many rules are compared between two yields. */
const stepSize = 200;
const tables: readonly Table[] = ['nat', 'filter'];
const ownedTables: readonly Table[] = ['raw', 'mangle', 'nat', 'filter'];

/** Yields after every {@link stepSize} rules. @param wanted all rules that are desired, and maybe more */
export function* findStale(
  family: Family,
  observed: RuleSet,
  wanted: RuleSet,
  own: OwnThings,
): Generator<void, StaleRule[]> {
  const stale = new Map<string, StaleRule>();
  const held = new HeldPorts(own.bindings);
  for (const table of tables) {
    for (const chain of dockerChains) {
      if (chain === 'DOCKER-USER') continue;
      for (const [index, text] of observed.rules(table, chain).entries()) {
        if (index % stepSize === 0) yield;
        if (wanted.hasText(table, chain, text)) continue;
        const rule = parseRule(family, table, chain, text);
        if (rule === undefined || !isAboutUs(rule, own, held)) continue;
        const strangers = strangersIn(rule, own);
        stale.set(`${table} ${chain} ${text}`, { rule, strangers, leadsTo: leadsTo(rule) });
      }
    }
  }
  for (const table of ownedTables) {
    for (const chain of ownedChains) {
      for (const [index, text] of observed.rules(table, chain).entries()) {
        if (index % stepSize === 0) yield;
        if (wanted.hasText(table, chain, text)) continue;
        const rule = parseRule(family, table, chain, text);
        if (rule === undefined) continue;
        stale.set(`${table} ${chain} ${text}`, { rule, strangers: [], leadsTo: undefined });
      }
    }
  }
  return [...stale.values()];
}

function isAboutUs(rule: Rule, own: OwnThings, held: HeldPorts): boolean {
  return (
    interfacesOf(rule).some((name) => own.bridges.has(name)) ||
    hasOwnAddress(rule, own) ||
    held.isTranslatedBy(rule)
  );
}

function hasOwnAddress(rule: Rule, { subnets }: OwnThings): boolean {
  return addressesOf(rule).some((cidr) => subnets.some((subnet) => isWithin(cidr, subnet)));
}

function strangersIn(rule: Rule, own: OwnThings): InterfaceName[] {
  const isOwn = hasOwnAddress(rule, own);
  return interfacesOf(rule).filter(
    (name) => !own.bridges.has(name) && !(isOwn && own.sharedBridges.has(name)),
  );
}

function interfacesOf({ matches: { inInterface, outInterface } }: Rule): InterfaceName[] {
  return [namedBy(inInterface), namedBy(outInterface)].filter((name) => name !== undefined);
}

function leadsTo(rule: Rule): IpAddress | undefined {
  const { target } = rule;
  if (interfacesOf(rule).length > 0 || typeof target === 'string') return undefined;
  return 'dnat' in target ? target.dnat.address : undefined;
}

function addressesOf({ matches: { source, destination }, target }: Rule): Cidr[] {
  const cidrs = [namedBy(source), namedBy(destination)].filter((cidr) => cidr !== undefined);
  if (typeof target === 'string' || !('dnat' in target)) return cidrs;
  return [...cidrs, hostCidr(target.dnat.address)];
}

function isWithin(cidr: Cidr, subnet: Cidr): boolean {
  return (
    cidr.family === subnet.family &&
    cidr.prefixLength >= subnet.prefixLength &&
    contains(subnet, cidr.address)
  );
}

/** The held ports by protocol and number, so that each of ten thousand translations is checked at once. */
class HeldPorts {
  readonly #byPort = new Map<string, PortBinding[]>();

  constructor(bindings: readonly PortBinding[]) {
    for (const binding of bindings) {
      const key = `${binding.protocol} ${binding.hostPort}`;
      this.#byPort.set(key, [...(this.#byPort.get(key) ?? []), binding]);
    }
  }

  /** Whether the rule translates what is sent to one of these ports. */
  isTranslatedBy({ matches, target }: Rule): boolean {
    if (typeof target === 'string' || !('dnat' in target)) return false;
    const { protocol, destinationPort, destination } = matches;
    if (destinationPort === undefined) return false;
    const to = isNegated(destination) ? undefined : destination;
    return numbersOf(destinationPort).some((port) =>
      this.#byPort
        .get(`${protocol} ${port}`)
        ?.some(
          ({ hostIp }) =>
            familyOf(hostIp) === familyOf(target.dnat.address) &&
            (to === undefined || isUnspecified(hostIp) || contains(to, hostIp)),
        ),
    );
  }
}

function numbersOf(port: PortMatch): number[] {
  if (typeof port === 'number') return [port];
  return Array.from({ length: port.last - port.first + 1 }, (_, index) => port.first + index);
}

function namedBy<T>(matched: Matched<T> | undefined): T | undefined {
  return isNegated(matched) ? matched.not : matched;
}

function isNegated<T>(matched: Matched<T> | undefined): matched is { readonly not: T } {
  return typeof matched === 'object' && matched !== null && 'not' in matched;
}
