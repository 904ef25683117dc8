/** Proxy NDP: the entries by which the host answers neighbour solicitations, as the driver sees them. */
import type { NeighbourProxy, ObservedProxy } from '../../core/network/neighbour-proxies.js';

export interface Neighbours {
  /** The interface of the host's IPv6 default route; undefined if there is none. */
  uplink(): Promise<string | undefined>;
  /** All entries, also those of other programs. */
  proxies(): Promise<readonly ObservedProxy[]>;
  /** @throws {DriverError} `route-failed`, for example while there is no such interface */
  addProxy(proxy: NeighbourProxy): Promise<void>;
  removeProxy(proxy: NeighbourProxy): Promise<void>;
}
