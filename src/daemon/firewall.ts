/** What writes the rules on this host, chosen by the settings. */
import type { Config } from '../config/config.js';
import type { Family } from '../core/address.js';
import type { FirewallSettings } from '../core/generations/generation.js';
import type { Links, Log, MapTables } from '../driver/host.js';
import type { GenerationChoice } from '../driver/rules/generation-choice.js';
import { IptablesFirewall } from '../driver/rules/iptables-firewall.js';
import { MeasuredBackend } from '../driver/rules/measured-backend.js';
import { noRules } from '../driver/rules/no-rules.js';
import { PortMaps } from '../driver/rules/port-maps.js';
import type { Registry } from '../driver/state/registry.js';
import type { Telemetry } from '../driver/telemetry.js';
import { IptablesCommands } from '../host/iptables/commands.js';
import { RestoreBackend } from '../host/iptables/restore-backend.js';
import { IptablesProbe } from '../host/nf-tables/iptables-probe.js';
import { NetlinkBackend } from '../host/nf-tables/netlink-backend.js';
import { PortMapTables } from '../host/nf-tables/port-map-tables.js';
import { RuleLearning } from '../host/nf-tables/rule-learning.js';

export interface Iptables {
  readonly commands: IptablesCommands;
  /** By iptables-restore alone; also reads the rules. */
  readonly restore: RestoreBackend;
  /** By netlink, and by {@link restore} what that cannot write. */
  readonly backend: NetlinkBackend;
  readonly maps: PortMapTables;
  /**
   * Opens the netlink sockets that write rules: the listener to the kernel's reports tells our own changes by their
   * ports.
   */
  open(): void;
  /** Closes these sockets; no change may be under way. */
  close(): void;
}

export function makeIptables(config: Pick<Config, 'ruleBackend'>, log: Log): Iptables {
  const commands = new IptablesCommands({}, log);
  const restore = new RestoreBackend(commands, log);
  const probe = new IptablesProbe((family) => commands.nftRestore(family), commands.own);
  const learning = new RuleLearning(probe, log);
  const { ports } = commands.own;
  const byNetlink = config.ruleBackend === 'auto';
  const backend = new NetlinkBackend(
    restore,
    learning,
    log,
    byNetlink,
    undefined,
    undefined,
    ports,
  );
  const maps = new PortMapTables((family) => commands.variant(family), ports, log);
  const open = (): void => {
    backend.open();
    if (byNetlink) maps.open();
    else commands.openDeletion();
  };
  const close = (): void => {
    backend.close();
    maps.close();
  };
  return { commands, restore, backend, maps, open, close };
}

/** @param firewall undefined: no rules are written */
export function makeRules(
  firewall: Iptables | undefined,
  telemetry: Telemetry,
  { choice, settings, registry, links, log }: RuleParts,
): { readonly rules: IptablesFirewall; readonly mappedPorts: PortMaps } {
  const backend = new MeasuredBackend(
    firewall?.backend ?? noRules,
    (family) => firewall?.backend.transportOf(family) ?? 'restore',
    telemetry,
  );
  const mayWrite = (family: Family): boolean => choice.writes(family);
  const isOff = (family: Family): boolean => firewall === undefined || !choice.mayWrite(family);
  const maps = firewall?.maps ?? formerMaps(log);
  const mappedPorts = new PortMaps(maps, backend, mayWrite, registry, log, isOff);
  const rules = new IptablesFirewall(backend, choice, settings, registry, links, log, mappedPorts);
  return { rules, mappedPorts };
}

/**
 * Tables of mapped ports for a daemon that writes no rules: it can still read and remove those that a daemon with other
 * settings has left.
 */
function formerMaps(log: Log): MapTables {
  const tables = new PortMapTables(() => undefined, new Set(), log);
  return {
    obstacle: () => undefined,
    read: (family) => tables.read(family),
    commit: (family, change) => tables.commit(family, change).finally(() => tables.close()),
  };
}

interface RuleParts {
  readonly choice: GenerationChoice;
  readonly settings: FirewallSettings;
  readonly registry: Registry;
  readonly links: Pick<Links, 'find' | 'list'>;
  readonly log: Log;
}

/** Finds out which iptables the host uses; no rule can be read or written before. */
export async function findFirewall(
  config: Pick<Config, 'ip6tables'>,
  firewall: Iptables | undefined,
  log: Log,
): Promise<void> {
  if (firewall === undefined) return;
  await firewall.commands.choose();
  if (config.ip6tables === false || firewall.commands.supports(6)) return;
  const level = config.ip6tables === true ? 'error' : 'info';
  log[level]({}, 'this host has no working ip6tables: there are no rules for IPv6');
}
