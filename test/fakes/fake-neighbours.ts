/** Entries of proxy NDP in memory: as the kernel, none without its interface. */
import type { Cidr, Family } from '../../src/core/address.js';
import { DriverError } from '../../src/core/errors.js';
import type { Advertisement } from '../../src/core/network/advertisements.js';
import {
  type NeighbourProxy,
  type ObservedProxy,
  proxyText,
} from '../../src/core/network/neighbour-proxies.js';
import type { Neighbours } from '../../src/driver/host/neighbours.js';
import type { Faults } from './faults.js';

export class FakeNeighbours implements Neighbours {
  readonly entries = new Map<string, ObservedProxy>();
  /** Interfaces that the host has. */
  readonly devices = new Set(['eth0']);
  /** Those of every interface. */
  addresses: readonly Cidr[] = [];
  /** What neighbours were told, in order: `DEVICE: ADDRESS is at MAC`. */
  readonly advertised: string[] = [];
  defaultRoute: string | undefined = 'eth0';

  constructor(private readonly faults: Faults) {}

  async uplink(_family: Family): Promise<string | undefined> {
    return this.defaultRoute;
  }

  async addressesOf(device: string): Promise<readonly Cidr[] | undefined> {
    return this.devices.has(device) ? this.addresses : undefined;
  }

  async proxies(): Promise<readonly ObservedProxy[]> {
    this.faults.check('neighbours.proxies');
    return [...this.entries.values()];
  }

  async addProxy(proxy: NeighbourProxy): Promise<void> {
    this.faults.check('neighbours.add');
    if (!this.devices.has(proxy.device)) {
      throw new DriverError('route-failed', `there is no interface ${proxy.device}`);
    }
    this.entries.set(proxyText(proxy), { ...proxy, isOurs: true });
  }

  async removeProxy(proxy: NeighbourProxy): Promise<void> {
    this.faults.check('neighbours.remove');
    this.entries.delete(proxyText(proxy));
  }

  async advertise({ device, addresses, mac }: Advertisement): Promise<void> {
    this.faults.check('neighbours.advertise');
    for (const address of addresses)
      this.advertised.push(`${device}: ${address} is at ${mac ?? 'its own'}`);
  }

  dump(): string[] {
    return [...this.entries.keys()].sort();
  }
}
