/** What every use case works with: the collaborators, the settings and what is desired. */
import type { PortAllocator } from '../core/ports/allocator.js';
import type { Firewall, MappedPorts } from './firewall.js';
import type { FrontEnds } from './front-end.js';
import type { RefusedConnections } from './host/refused-connections.js';
import type {
  Conntrack,
  HostPorts,
  Links,
  Log,
  Processes,
  RecordStore,
  Sandboxes,
  Shaping,
  Sysctls,
  Zones,
} from './host.js';
import type { DriverSettings } from './settings.js';
import type { ContainerRoutes } from './state/container-routes.js';
import type { HostRoutes } from './state/host-routes.js';
import type { KeyedLocks } from './state/locks.js';
import type { NeighbourProxies } from './state/neighbour-proxies.js';
import type { Registry } from './state/registry.js';
import type { Removals } from './state/removals.js';
import type { StrayFlows } from './state/stray-flows.js';
import type { Telemetry } from './telemetry.js';

/**
 * All of it is for whole use cases and for the composition root. A function that works with six of
 * these or fewer takes a `Pick`, so that its signature says what it can touch.
 */
export interface World {
  readonly links: Links;
  readonly shaping: Shaping;
  readonly hostRoutes: HostRoutes;
  readonly containerRoutes: ContainerRoutes;
  readonly neighbourProxies: NeighbourProxies;
  readonly sandboxes: Sandboxes;
  readonly processes: Processes;
  readonly sysctls: Sysctls;
  readonly conntrack: Conntrack;
  readonly refusedConnections: RefusedConnections;
  readonly zones: Zones;
  /** Tries to load it. Whether that worked shows in the settings below /proc/sys that it brings. */
  readonly loadModule: (name: 'br_netfilter') => Promise<void>;
  readonly rules: Firewall;
  readonly mappedPorts: MappedPorts;
  readonly hostPorts: HostPorts;
  readonly allocator: PortAllocator;
  readonly store: RecordStore;
  readonly registry: Registry;
  readonly removals: Removals;
  readonly strayFlows: StrayFlows;
  /** Exclusive: the network itself changes; shared: one of its endpoints does. */
  readonly networkLocks: KeyedLocks<string>;
  /** By endpoint: what changes it runs alone. Taken after the network's lock. */
  readonly endpointLocks: KeyedLocks<string>;
  /** By sandbox, for the ports of all endpoints of a container. Taken after the other locks. */
  readonly sandboxLocks: KeyedLocks<string>;
  readonly frontEnds: FrontEnds;
  readonly settings: DriverSettings;
  readonly log: Log;
  readonly telemetry: Telemetry;
}
