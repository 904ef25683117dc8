/** Links, addresses and routes in memory. */
import type { Cidr, IpAddress } from '../../src/core/address.js';
import { networkOf, overlaps, sameCidr } from '../../src/core/address.js';
import type { InterfaceName } from '../../src/core/names.js';
import type { LinkChange, LinkSpec, ObservedLink } from '../../src/core/network/links.js';
import type { Links, ObservedRoute } from '../../src/driver/host.js';
import type { Faults } from './faults.js';

export class FakeLinks implements Links {
  readonly links = new Map<string, ObservedLink>();
  routes: ObservedRoute[] = [];
  #index = 10;

  constructor(private readonly faults: Faults) {}

  async find(name: string): Promise<ObservedLink | undefined> {
    return this.links.get(name);
  }

  async list(): Promise<ObservedLink[]> {
    this.faults.check('links.list');
    return [...this.links.values()];
  }

  async routesInto(subnets: readonly Cidr[]): Promise<ObservedRoute[]> {
    this.faults.check('links.routesInto');
    const own = [...this.links.values()].flatMap((link) =>
      link.addresses.map((address) => ({ destination: networkOf(address), interface: link.name })),
    );
    return [...this.routes, ...own].filter(({ destination }) =>
      subnets.some((subnet) => overlaps(subnet, destination)),
    );
  }

  async portsOf({ index }: ObservedLink): Promise<ObservedLink[]> {
    this.faults.check('links.portsOf');
    return [...this.links.values()].filter(({ master }) => master === index);
  }

  async hasAddress(address: IpAddress): Promise<boolean> {
    this.faults.check('links.hasAddress');
    return [...this.links.values()].some(({ addresses }) =>
      addresses.some((each) => each.address === address),
    );
  }

  async create(link: LinkSpec): Promise<void> {
    this.faults.check('links.create');
    switch (link.kind) {
      case 'bridge':
        return this.#add(link.name, 'bridge', link.mtu, false);
      case 'veth': {
        const { names, mtu, hairpin, isolated } = link;
        this.#add(names.host, 'veth', mtu, true, this.#get(link.bridge).index, hairpin);
        if (isolated === true) this.links.set(names.host, { ...this.#get(names.host), isolated });
        return this.#add(names.container, 'veth', mtu, false);
      }
    }
  }

  async change(name: InterfaceName, change: LinkChange): Promise<void> {
    this.faults.check('links.change');
    const link = this.#get(name);
    const { master, ...rest } = change;
    const port = master === undefined ? {} : { master: this.#get(master).index };
    this.links.set(name, { ...link, ...rest, ...port });
  }

  async addAddress(name: InterfaceName, address: Cidr): Promise<void> {
    this.faults.check('links.addAddress');
    const link = this.#get(name);
    this.links.set(name, { ...link, addresses: [...link.addresses, address] });
  }

  async removeAddress(name: InterfaceName, address: Cidr): Promise<void> {
    this.faults.check('links.removeAddress');
    const link = this.#get(name);
    const addresses = link.addresses.filter((other) => !sameCidr(other, address));
    this.links.set(name, { ...link, addresses });
  }

  async remove(name: InterfaceName): Promise<void> {
    this.faults.check('links.remove');
    const link = this.links.get(name);
    const peer = [...this.links.values()].find(
      (other) => link?.kind === 'veth' && other.kind === 'veth' && other.index === link.index + 1,
    );
    this.links.delete(name);
    if (peer !== undefined) this.links.delete(peer.name);
  }

  addIfb(name: InterfaceName): void {
    this.#add(name, 'ifb', undefined, false);
  }

  #get(name: string): ObservedLink {
    const link = this.links.get(name);
    if (link === undefined) throw new Error(`${name}: No such device (ENODEV)`);
    return link;
  }

  #add(
    name: string,
    kind: string,
    mtu: number | undefined,
    up: boolean,
    master?: number,
    hairpin?: boolean,
  ): void {
    if (this.links.has(name)) throw new Error(`${name}: File exists (EEXIST)`);
    this.#index += 1;
    const index = this.#index;
    const fields = { index, name, kind, up, mtu: mtu ?? 1500, master, hairpin, addresses: [] };
    this.links.set(name, fields);
  }
}
