/** The outside world in memory, for the faults that cannot be provoked for real. */

import type { Family } from '../../src/core/address.js';
import { DriverError, messageOf } from '../../src/core/errors.js';
import type { GenerationName } from '../../src/core/generations/generation.js';
import type { InterfaceName } from '../../src/core/names.js';
import { PortAllocator } from '../../src/core/ports/allocator.js';
import { parseEphemeralPorts } from '../../src/core/ports/ephemeral.js';
import { FrontEnds } from '../../src/driver/front-end.js';
import type {
  Conntrack,
  Processes,
  ProcessId,
  RecordKind,
  RecordStore,
  Sandboxes,
  Sysctls,
  Zones,
} from '../../src/driver/host.js';
import { leasedAs } from '../../src/driver/leases.js';
import { GenerationChoice } from '../../src/driver/rules/generation-choice.js';
import { IptablesFirewall } from '../../src/driver/rules/iptables-firewall.js';
import { PortMaps } from '../../src/driver/rules/port-maps.js';
import type { DriverSettings } from '../../src/driver/settings.js';
import { ContainerRoutes } from '../../src/driver/state/container-routes.js';
import { HostRoutes } from '../../src/driver/state/host-routes.js';
import { KeyedLocks } from '../../src/driver/state/locks.js';
import { NeighbourProxies } from '../../src/driver/state/neighbour-proxies.js';
import { Registry } from '../../src/driver/state/registry.js';
import { Removals } from '../../src/driver/state/removals.js';
import { StrayFlows } from '../../src/driver/state/stray-flows.js';
import type { Happening } from '../../src/driver/telemetry.js';
import type { World } from '../../src/driver/world.js';
import { libnetwork } from '../../src/frontends/libnetwork/front-end.js';
import { makeBackend } from './backends.js';
import { FakeFirewall } from './fake-firewall.js';
import { FakeHostPorts } from './fake-host-ports.js';
import { FakeLinks } from './fake-links.js';
import { FakeMapTables } from './fake-map-tables.js';
import { FakeNeighbours } from './fake-neighbours.js';
import { FakeRefusedConnections } from './fake-refused-connections.js';
import { FakeRoutes } from './fake-routes.js';
import { FakeSandboxRoutes } from './fake-sandboxes.js';
import { FakeShaping } from './fake-shaping.js';
import { Faults } from './faults.js';
import { plain } from './plain-front-end.js';
import { type LogLine, RecordingLog } from './recording-log.js';

export class FakeSysctls implements Sysctls {
  readonly values = new Map<string, string>([
    ['net/ipv4/ip_forward', '0'],
    ['net/ipv4/ip_local_port_range', '32768\t32770'],
    ['net/ipv6/conf/lo/disable_ipv6', '0'],
    ['net/ipv4/neigh/eth0/proxy_delay', '80'],
  ]);
  constructor(private readonly faults: Faults) {}
  async read(path: string): Promise<string | undefined> {
    return this.values.get(path);
  }
  async write(path: string, value: string): Promise<boolean> {
    this.faults.check('sysctls.write');
    this.values.set(path, value);
    return true;
  }
}

export class FakeConntrack implements Conntrack {
  readonly removed: string[] = [];
  constructor(private readonly faults: Faults) {}
  async removeUdpFlowsTo(ports: Parameters<Conntrack['removeUdpFlowsTo']>[0]): Promise<void> {
    this.faults.check('conntrack');
    for (const { family, port } of ports) this.removed.push(`udp${family} ${port}`);
  }
  async removeUdpFlowsAt(ports: Parameters<Conntrack['removeUdpFlowsAt']>[0]): Promise<void> {
    this.faults.check('conntrack');
    for (const { family, port } of ports) this.removed.push(`udp${family} ${port} both ways`);
  }
  async removeFlowsOf(addresses: Parameters<Conntrack['removeFlowsOf']>[0]): Promise<void> {
    this.removed.push(...addresses);
  }
}

/** firewalld: `undefined` if it does not run. */
export class FakeZones implements Zones {
  placed: Set<string> | undefined;
  constructor(private readonly faults: Faults) {}
  async unplaced(bridges: readonly InterfaceName[]): Promise<InterfaceName[]> {
    return bridges.filter((bridge) => this.placed?.has(bridge) === false);
  }
  async place(bridges: readonly InterfaceName[]): Promise<void> {
    if (bridges.length > 0) this.faults.check('zones.place');
    for (const bridge of bridges) this.placed?.add(bridge);
  }
  async add(bridge: InterfaceName): Promise<void> {
    await this.place(await this.unplaced([bridge]));
  }
  async remove(bridge: InterfaceName): Promise<void> {
    if (this.placed !== undefined) this.faults.check('zones.remove');
    this.placed?.delete(bridge);
  }
}

/** Those in `alive` are there. */
export class FakeSandboxes implements Sandboxes {
  readonly alive = new Set<string>();
  async isThere(path: string): Promise<boolean> {
    return this.alive.has(path);
  }
}

/** Those in `alive` run; the others have ended, since the last boot. */
export class FakeProcesses implements Processes {
  readonly alive = new Set<ProcessId>();
  readonly ofEarlierBoot = new Set<ProcessId>();
  async isGone(process: ProcessId): Promise<boolean> {
    return !this.alive.has(process);
  }
  async isOfEarlierBoot(process: ProcessId): Promise<boolean> {
    return this.ofEarlierBoot.has(process);
  }
}

export class FakeStore implements RecordStore {
  readonly records = new Map<string, { kind: RecordKind; id: string; text: string }>();
  constructor(private readonly faults: Faults) {}
  async load(): ReturnType<RecordStore['load']> {
    return [...this.records.values()].map(({ kind, id, text }) => {
      const stored = { kind, id, path: `memory/${kind}/${id}` };
      try {
        return { ...stored, value: JSON.parse(text) as unknown };
      } catch (error) {
        const reason = `reading the record ${stored.path}: ${messageOf(error)}`;
        return { ...stored, unreadable: new DriverError('record-unreadable', reason) };
      }
    });
  }
  async write(kind: RecordKind, id: string, value: unknown): Promise<void> {
    this.faults.check('store.write');
    this.records.set(`${kind} ${id}`, { kind, id, text: JSON.stringify(value) });
  }
  async remove(kind: RecordKind, id: string): Promise<void> {
    this.faults.check('store.remove');
    this.records.delete(`${kind} ${id}`);
  }
}

/** Puts something between the driver and a part of the host. */
export type Interpose = <Part extends object>(name: string, part: Part) => Part;

export interface FakeHost {
  readonly faults: Faults;
  readonly links: FakeLinks;
  readonly shaping: FakeShaping;
  readonly routes: FakeRoutes;
  readonly sandboxRoutes: FakeSandboxRoutes;
  readonly neighbours: FakeNeighbours;
  readonly firewall: FakeFirewall;
  readonly sysctls: FakeSysctls;
  readonly conntrack: FakeConntrack;
  readonly refusedConnections: FakeRefusedConnections;
  readonly zones: FakeZones;
  readonly sandboxes: FakeSandboxes;
  readonly processes: FakeProcesses;
  readonly hostPorts: FakeHostPorts;
  readonly maps: FakeMapTables;
  readonly store: FakeStore;
  readonly logged: LogLine[];
  readonly told: Happening[];
  /** A driver's world on this host: what a start of the daemon builds. */
  boot(
    settings?: Partial<DriverSettings>,
    generation?: GenerationName | 'auto',
    interpose?: Interpose,
  ): {
    world: World;
    choice: GenerationChoice;
  };
}

const keep: Interpose = (_name, part) => part;

export function makeHost(): FakeHost {
  const faults = new Faults();
  const log = new RecordingLog();
  const logged = log.lines;
  const told: Happening[] = [];
  const links = new FakeLinks(faults);
  const host = {
    faults,
    logged,
    told,
    links,
    shaping: new FakeShaping(links, faults),
    routes: new FakeRoutes(links, faults),
    neighbours: new FakeNeighbours(faults),
    sandboxRoutes: new FakeSandboxRoutes(faults),
    firewall: new FakeFirewall(),
    sysctls: new FakeSysctls(faults),
    conntrack: new FakeConntrack(faults),
    refusedConnections: new FakeRefusedConnections(faults),
    zones: new FakeZones(faults),
    sandboxes: new FakeSandboxes(),
    processes: new FakeProcesses(),
    hostPorts: new FakeHostPorts(faults),
    maps: new FakeMapTables(faults),
    store: new FakeStore(faults),
  };
  const boot: FakeHost['boot'] = (changes = {}, generation = 'docker20', interpose = keep) => {
    const links = interpose('links', host.links);
    const settings: DriverSettings = {
      userlandProxy: true,
      iptables: true,
      ip6tables: 'auto',
      ignoreBrNetfilterError: false,
      ipForward: true,
      ipForwardNoDrop: false,
      allowDirectRouting: false,
      ipMasq: true,
      defaultBindingIp: undefined,
      ...changes,
    };
    const registry = new Registry();
    const choice = new GenerationChoice(generation, settings.ip6tables === true);
    const rules = { userlandProxy: settings.userlandProxy };
    const backend = makeBackend(host.firewall, interpose, log);
    const maps = interpose('maps', host.maps);
    const isWritten = (family: Family): boolean => choice.writes(family);
    const { iptables, ip6tables } = settings;
    const isOff = (family: Family): boolean => !iptables || (family === 6 && ip6tables === false);
    const mappedPorts = new PortMaps(maps, backend, isWritten, registry, log, isOff);
    const world: World = {
      links,
      shaping: interpose('shaping', host.shaping),
      hostRoutes: new HostRoutes(interpose('routes', host.routes), registry),
      neighbourProxies: new NeighbourProxies(
        ...([interpose('neighbours', host.neighbours), host.sysctls, registry] as const),
      ),
      containerRoutes: new ContainerRoutes(
        ...([interpose('sandboxRoutes', host.sandboxRoutes), registry, log] as const),
        { attempts: 20, pauseMs: 1 },
      ),
      sandboxes: host.sandboxes,
      processes: host.processes,
      sysctls: interpose('sysctls', host.sysctls),
      conntrack: interpose('conntrack', host.conntrack),
      refusedConnections: host.refusedConnections,
      zones: interpose('zones', host.zones),
      hostPorts: interpose('hostPorts', host.hostPorts),
      store: interpose('store', host.store),
      log,
      telemetry: { tell: (happening) => void told.push(happening) },
      rules: new IptablesFirewall(backend, choice, rules, registry, links, log, mappedPorts),
      mappedPorts,
      allocator: new PortAllocator(parseEphemeralPorts('32768 32770', '')),
      registry,
      loadModule: async (name) => {
        faults.calls.push(`load ${name}`);
      },
      removals: new Removals(links, log, 1),
      strayFlows: new StrayFlows(
        interpose('hostPorts', host.hostPorts),
        interpose('conntrack', host.conntrack),
        log,
      ),
      networkLocks: new KeyedLocks(),
      endpointLocks: new KeyedLocks(),
      sandboxLocks: new KeyedLocks(),
      frontEnds: new FrontEnds([libnetwork, leasedAs(libnetwork), plain]),
      settings,
    };
    return { world, choice };
  };
  return { ...host, boot };
}

/** What is there, for comparison; once nothing is on its way out. */
export function stateOf(host: FakeHost) {
  return {
    links: [...host.links.links.keys()].sort(),
    limits: host.shaping.dump(),
    routes: host.routes.dump(),
    proxies: host.neighbours.dump(),
    rules: host.firewall.dump(),
    maps: host.maps.dump(),
    ports: [...host.hostPorts.held.keys()].sort(),
    records: [...host.store.records.keys()].sort(),
  };
}
