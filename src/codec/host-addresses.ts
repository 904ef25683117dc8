/** The interfaces and addresses of a host at one moment, read from what `ip -json` prints. */
import {
  type Cidr,
  contains,
  type Family,
  familyOf,
  type IpAddress,
  parseCidr,
  parseIp,
} from '../core/address.js';
import { type AddressType, addressTypes } from '../core/explain/facts.js';

interface OwnAddress {
  readonly address: IpAddress;
  readonly prefixLength: number;
  readonly scope: string;
  /** true: the interface had another address of the same network before this one. */
  readonly secondary: boolean;
}

interface Interface {
  readonly name: string;
  readonly index: number;
  readonly addresses: readonly OwnAddress[];
}

interface LocalRoute {
  readonly cidr: string;
  readonly type: AddressType;
  readonly device: string;
}

type Row = Readonly<Record<string, unknown>>;

export class HostAddresses {
  readonly #byName: ReadonlyMap<string, Interface>;
  readonly #byIndex: ReadonlyMap<number, string>;

  private constructor(
    private readonly interfaces: readonly Interface[],
    private readonly local: readonly LocalRoute[],
  ) {
    this.#byName = new Map(interfaces.map((each) => [each.name, each]));
    this.#byIndex = new Map(interfaces.map(({ name, index }) => [index, name]));
  }

  /**
   * @param addresses of `ip -json address show`
   * @param local of `ip -json route show table local`, of both families
   */
  static of(addresses: readonly Row[], local: readonly Row[]): HostAddresses {
    return new HostAddresses(addresses.map(readInterface), local.flatMap(readLocal));
  }

  indexOf(name: string): number | undefined {
    return this.#byName.get(name)?.index;
  }

  nameOf(index: number): string | undefined {
    return this.#byIndex.get(index);
  }

  isOwn(address: IpAddress): boolean {
    return this.typeOf(address) === 'LOCAL';
  }

  /**
   * The type of an address by the routing table `local`; UNICAST for an address that is not in it.
   *
   * @param device if given, only the addresses of this interface count
   */
  typeOf(address: IpAddress, device?: string): AddressType {
    const found = this.local.find(({ cidr, device: of }) => {
      const parsed = parseCidr(cidr);
      return (
        (device === undefined || of === device) && parsed !== undefined && contains(parsed, address)
      );
    });
    return found?.type ?? 'UNICAST';
  }

  /** Each interface with its addresses of global scope, `192.0.2.1/24`. */
  byInterface(): { readonly name: string; readonly addresses: readonly string[] }[] {
    return this.interfaces.map(({ name, addresses }) => ({
      name,
      addresses: addresses
        .filter(({ scope }) => scope === 'global')
        .map(({ address, prefixLength }) => `${address}/${prefixLength}`),
    }));
  }

  /** The networks of all interfaces. `address` is the host's own in each. */
  networks(): Cidr[] {
    return this.interfaces.flatMap(({ addresses }) =>
      addresses.map(({ address, prefixLength }) => ({
        family: familyOf(address),
        address,
        prefixLength,
      })),
    );
  }

  /** The addresses of an interface in one family, with their prefix lengths; empty: there is no such interface. */
  addressesOf(name: string, family: Family): readonly OwnAddress[] {
    const addresses = this.#byName.get(name)?.addresses ?? [];
    return addresses.filter(({ address }) => familyOf(address) === family);
  }

  /**
   * The source address that the kernel chooses for packets by an interface (`inet_select_addr`): an address in the
   * network of `toward`, else the first one. For an interface without an address, e.g. `lo`, the first address of
   * another interface. With IPv6, packets to one of the host's own addresses have that address as source, too.
   */
  sourceOn(name: string, family: Family, toward?: IpAddress): IpAddress | undefined {
    if (family === 6 && toward !== undefined && this.isOwn(toward)) return toward;
    const usable = ({ scope, secondary }: OwnAddress) => scope === 'global' && !secondary;
    const here = this.addressesOf(name, family).filter(usable);
    const near = here.find(
      ({ address, prefixLength }) =>
        toward !== undefined && contains({ family, address, prefixLength }, toward),
    );
    const elsewhere = this.interfaces.flatMap((other) => this.addressesOf(other.name, family));
    return (near ?? here[0] ?? elsewhere.find(usable))?.address;
  }
}

function readInterface(entry: Row): Interface {
  const addresses = (entry.addr_info ?? []) as readonly Row[];
  return {
    name: String(entry.ifname),
    index: Number(entry.ifindex),
    addresses: addresses.flatMap(({ local, prefixlen, scope, secondary }) => {
      const address = parseIp(String(local));
      if (address === undefined) return [];
      const length = Number(prefixlen);
      return { address, prefixLength: length, scope: String(scope), secondary: secondary === true };
    }),
  };
}

function readLocal({ dst, type, dev }: Row): LocalRoute[] {
  const text = String(dst);
  const cidr = text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`;
  const named = String(type ?? 'local').toUpperCase();
  const known = addressTypes.find((each) => each === named);
  return known === undefined ? [] : [{ cidr, type: known, device: String(dev) }];
}
