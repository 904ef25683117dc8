/** Neighbours of the host: what they are told, and the entries by which the host answers them for containers. */
import type { Cidr, Family } from '../../core/address.js';
import type { Advertisement } from '../../core/network/advertisements.js';
import type { NeighbourProxy, ObservedProxy } from '../../core/network/neighbour-proxies.js';

export interface Neighbours {
  /** The interface of the host's default route; undefined if there is none. */
  uplink(family: Family): Promise<string | undefined>;
  /** Addresses of an interface; undefined: there is none of that name. */
  addressesOf(device: string): Promise<readonly Cidr[] | undefined>;
  /** All entries, also those of other programs. */
  proxies(): Promise<readonly ObservedProxy[]>;
  /** @throws {DriverError} `route-failed`, for example while there is no such interface */
  addProxy(proxy: NeighbourProxy): Promise<void>;
  removeProxy(proxy: NeighbourProxy): Promise<void>;
  /**
   * Tells neighbours once which MAC address the addresses have now. Neighbours that remember another one take it, and so
   * does the host itself. If the advertisement has a MAC address, all frames are sent before the promise is returned.
   *
   * @throws if it cannot be sent, for example while there is no such interface
   */
  advertise(advertisement: Advertisement): Promise<void>;
}
