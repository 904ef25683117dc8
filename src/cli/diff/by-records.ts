/**
 * Compares the host with the daemon's records, for `tsbridge diff` while the daemon does not run. The code of repairs
 * decides what differs; it is given a host that can only be read.
 */
import type { Config } from '../../config/config.js';
import type { Family } from '../../core/address.js';
import type { RuleSet } from '../../core/rules/rule-set.js';
import type { Log, MapTables, RuleBackend, StoredRecord } from '../../driver/host.js';
import { LimitConcern } from '../../driver/repair/concerns/limits.js';
import { LinkConcern } from '../../driver/repair/concerns/links.js';
import { mapDifferences } from '../../driver/repair/concerns/port-map.js';
import { RouteConcern } from '../../driver/repair/concerns/routes.js';
import { SettingConcern } from '../../driver/repair/concerns/sysctls.js';
import { GenerationChoice } from '../../driver/rules/generation-choice.js';
import { IptablesFirewall } from '../../driver/rules/iptables-firewall.js';
import { noRules } from '../../driver/rules/no-rules.js';
import { PortMaps } from '../../driver/rules/port-maps.js';
import { HostRoutes } from '../../driver/state/host-routes.js';
import { KeyedLocks } from '../../driver/state/locks.js';
import { HostRoutesNetlink } from '../../host/netlink/host-routes.js';
import { LinksNetlink } from '../../host/netlink/links.js';
import { ShapingNetlink } from '../../host/netlink/shaping.js';
import { PortMapTables } from '../../host/nf-tables/port-map-tables.js';
import { SysctlFiles } from '../../host/sysctl.js';
import { type Differences, differencesOf } from '../../operator/differences.js';
import { registryOfRecords } from '../records.js';

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

export interface DifferencesByRecords {
  readonly differences: Differences;
  /** Why records could not be read, a sentence each. */
  readonly unreadable: readonly string[];
}

/**
 * What the next start would change. Sockets, which only the daemon can ask the proxy process for, and firewalld's zones
 * are not compared.
 *
 * @param read reads the host's rules of a family; undefined: the host has no iptables for it
 * @throws {DriverError} the records or the host could not be read
 */
export async function differencesByRecords(
  config: Config,
  read: (family: Family) => Promise<RuleSet | undefined>,
): Promise<DifferencesByRecords> {
  const registry = await registryOfRecords(config, isKept);
  const links = new LinksNetlink();
  const found = { 4: await read(4), 6: await read(6) };
  const choice = new GenerationChoice(config.firewallGeneration, config.ip6tables);
  const newest = registry.networks().at(-1);
  if (newest !== undefined) choice.expect(newest.record.ruleSettings.generation);
  const backend = config.iptables ? readOnly((family) => found[family]) : noRules;
  const { userlandProxy, bridgeAcceptFwmark } = config;
  const ruleSettings = { userlandProxy, bridgeAcceptFwmark };
  const rules = new IptablesFirewall(backend, choice, ruleSettings, registry, links, silent);
  const writes = (family: Family): boolean => choice.writes(family);
  const world = {
    ...{ registry, links, rules, settings: config, log: silent },
    mappedPorts: new PortMaps(readOnlyMaps(), backend, writes, registry, silent),
    hostRoutes: new HostRoutes(new HostRoutesNetlink(), registry),
    sysctls: new SysctlFiles(config.sysctlDir),
    shaping: new ShapingNetlink(),
    networkLocks: new KeyedLocks<string>(),
    endpointLocks: new KeyedLocks<string>(),
    loadModule: async () => undefined,
  };
  const concerns = [
    { name: 'port-map', differences: () => mapDifferences(world) },
    ...[new LinkConcern(world), new LimitConcern(world)],
    ...[new RouteConcern(world), new SettingConcern(world)],
  ];
  const differences = await differencesOf(world, concerns, Promise.resolve());
  return { differences, unreadable: registry.unreadable.all().map(({ reason }) => reason) };
}

/** Whether a start keeps what the record is about: it removes what a call was just making, or removing, at the end. */
function isKept(record: StoredRecord): boolean {
  if (record.kind === 'publication' || !('value' in record)) return true;
  const { phase } = record.value as { readonly phase?: unknown };
  return phase !== 'creating' && phase !== 'removing';
}

const refuse = (): Promise<never> => Promise.reject(new Error('nothing is changed here'));

/**
 * Tables of mapped ports that can be read, and not changed. Reading them opens no socket that stays, and does not ask
 * iptables.
 */
function readOnlyMaps(): MapTables {
  const tables = new PortMapTables(() => undefined, new Set(), silent);
  return { obstacle: () => undefined, read: (family) => tables.read(family), commit: refuse };
}

function readOnly(found: (family: Family) => RuleSet | undefined): RuleBackend {
  const rulesOf = (family: Family): RuleSet => {
    const rules = found(family);
    if (rules === undefined) throw new Error(`the host has no rules for IPv${family}`);
    return rules;
  };
  return {
    supports: (family) => found(family) !== undefined,
    // A copy, since the caller may change it.
    read: async (family) => rulesOf(family).copy(),
    commit: refuse,
    engineStarted: () => {},
    foresee: () => {},
    problems: () => [],
    missingTables: () => new Set(),
  };
}
