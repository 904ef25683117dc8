/** From the places that somebody has typed to the packet that is followed. */
import { contains, type Family, familyOf, type IpAddress, parseIp } from '../../core/address.js';
import { addressNumber } from '../../core/explain/native/values.js';
import { firstPacket, ipProtocols, type Packet } from '../../core/explain/packet.js';
import type { Destination, Place } from '../../core/explain/path/places.js';
import type { HostAnswers } from '../../host/look/host-answers.js';
import type { InventoryEndpoint } from '../../operator/inventory/inventory.js';
import { isContainer, isNetwork } from '../commands/labels.js';
import type { InventoryView } from '../inventory/view.js';
import { UsageError } from '../table/parse.js';

export interface Wish {
  readonly from: Place;
  readonly to: Destination;
  /** Where no address says the family. */
  readonly family: Family;
  readonly sourcePort: number;
}

/** Addresses for documentation (RFC 5737, RFC 3849): nobody has them. */
const strangers: Readonly<Record<Family, readonly string[]>> = {
  4: ['198.51.100.77', '203.0.113.77', '192.0.2.77'],
  6: ['2001:db8:77::77', '2001:db8:99::77'],
};

/** A packet's place in the host: an address, and the interface that it is behind. */
interface Located {
  readonly address: IpAddress;
  /** Absent: the host itself. */
  readonly behind?: string;
}

export class Resolver {
  constructor(
    private readonly host: HostAnswers,
    /** undefined: no place of the wish is a container. */
    private readonly view: InventoryView | undefined,
  ) {}

  /** @throws {UsageError} for a place that is not there, or is not one place */
  async packet(wish: Wish): Promise<Packet> {
    const family = this.#familyOf(wish);
    const target =
      wish.to.place === undefined ? undefined : await this.#locate(wish.to.place, family);
    const source = await this.#source(wish.from, family, target);
    const destination = target?.address ?? (await this.#ownAddress(source, family));
    return this.#packetOf(wish, family, source, destination);
  }

  #packetOf(wish: Wish, family: Family, source: Located, destination: IpAddress): Packet {
    const ping = wish.to.protocol === ipProtocols.icmp;
    const echo = { type: family === 4 ? 8 : 128, code: 0 };
    return firstPacket({
      family,
      protocol: ping && family === 6 ? ipProtocols.icmpv6 : wish.to.protocol,
      source: source.address,
      destination,
      sourcePort: ping ? 1 : wish.sourcePort,
      destinationPort: wish.to.port,
      ...(ping ? { icmp: echo } : {}),
      ...(source.behind === undefined ? {} : { inInterface: source.behind }),
    });
  }

  #familyOf({ from, to, family }: Wish): Family {
    const given = [from, to.place].flatMap((place) =>
      place?.kind === 'address' ? [familyOf(place.address)] : [],
    );
    const [first = family, second = first] = given;
    if (first !== second) throw new UsageError('one address is of IPv4, the other one of IPv6');
    return first;
  }

  async #locate(place: Place, family: Family): Promise<Located> {
    switch (place.kind) {
      case 'host':
        return { address: loopback(family) };
      case 'elsewhere':
        return this.#elsewhere(family);
      case 'lan':
        return this.#neighbour(family);
      case 'container':
        return this.#container(place, family);
      case 'address': {
        const { address, interface: given } = place;
        if (given === undefined && this.host.addresses.isOwn(address)) return { address };
        return { address, behind: given ?? (await this.#interfaceTo(address)) };
      }
    }
  }

  /** A program of the host sends from the address that the kernel would take towards the target. */
  async #source(from: Place, family: Family, target: Located | undefined): Promise<Located> {
    if (from.kind !== 'host') return this.#locate(from, family);
    if (target === undefined || target.behind === undefined) {
      return { address: target?.address ?? loopback(family) };
    }
    const { addresses } = this.host;
    const address = addresses.sourceOn(target.behind, family, target.address);
    if (address === undefined) throw new UsageError(`the host has no address of IPv${family}`);
    return { address };
  }

  /** Of the host, as somebody behind an interface would address it. */
  async #ownAddress({ address, behind }: Located, family: Family): Promise<IpAddress> {
    if (behind === undefined) return address;
    const own = this.host.addresses.addressesOf(behind, family);
    const near = own.find((each) => contains({ family, ...each }, address)) ?? own[0];
    if (near === undefined)
      throw new UsageError(`interface ${behind} has no address of IPv${family}`);
    return near.address;
  }

  async #elsewhere(family: Family): Promise<Located> {
    const address = strangers[family].map(parseIp).find((each) => each && !this.#isNear(each));
    if (address === undefined) throw new UsageError('no address is elsewhere: name one');
    return { address, behind: await this.#interfaceTo(address) };
  }

  #isNear(address: IpAddress): boolean {
    return this.host.addresses.networks().some((cidr) => contains(cidr, address));
  }

  async #neighbour(family: Family): Promise<Located> {
    const { behind = '' } = await this.#elsewhere(family);
    const [own] = this.host.addresses.addressesOf(behind, family);
    const address = own && neighbourOf({ family, ...own });
    if (address === undefined) {
      throw new UsageError(`no neighbour is known on ${behind}: name an address`);
    }
    return { address, behind };
  }

  async #interfaceTo(address: IpAddress): Promise<string> {
    const route = await this.host.routeTo(address);
    if (route.to === 'interface') return route.outInterface;
    const why = route.to === 'host' ? 'it is one of its own' : route.words;
    throw new UsageError(
      `the host has no way to ${address} (${why}): name an interface, ${address}%eth0`,
    );
  }

  #container(place: Extract<Place, { kind: 'container' }>, family: Family): Located {
    const { view } = this;
    const { name, network } = place;
    const endpoints = view?.endpoints() ?? [];
    const found = endpoints.filter(
      (endpoint) =>
        view !== undefined &&
        isContainer(view, endpoint.id, name) &&
        (network === undefined || isNetwork(view, endpoint.network, network)),
    );
    const [endpoint, ...more] = found;
    if (endpoint === undefined) {
      const where = network === undefined ? '' : ` on a network ${network}`;
      throw new UsageError(`there is no container ${name}${where} of tsbridge; see tsbridge ps`);
    }
    if (more.length > 0) {
      const networks = found.map((each) => `${name}@${this.#networkName(each)}`).join(', ');
      throw new UsageError(`${name} is on several networks: say which, ${networks}`);
    }
    const cidr = family === 4 ? endpoint.ipv4 : endpoint.ipv6;
    const address = parseIp(cidr?.split('/')[0] ?? '');
    if (address === undefined) throw new UsageError(`${name} has no address of IPv${family}`);
    return { address, behind: view?.networkOf(endpoint)?.bridge ?? '' };
  }

  #networkName({ network }: InventoryEndpoint): string {
    return this.view?.names.networkName(network) ?? network.slice(0, 12);
  }
}

function loopback(family: Family): IpAddress {
  return (family === 4 ? '127.0.0.1' : '::1') as IpAddress;
}

/** Another address of the network: the next one, or the one before. */
function neighbourOf(own: {
  family: Family;
  address: IpAddress;
  prefixLength: number;
}): IpAddress | undefined {
  const separator = own.family === 4 ? '.' : ':';
  const end = own.address.lastIndexOf(separator) + 1;
  const radix = own.family === 4 ? 10 : 16;
  const last = Number.parseInt(own.address.slice(end) || '0', radix);
  return [last + 1, last - 1]
    .map((number) => parseIp(own.address.slice(0, end) + number.toString(radix)))
    .find((address) => address !== undefined && contains(own, address) && isHost(own, address));
}

/**
 * Whether a host can have the address. In an IPv4 network the first address is the network's own and the last one is for
 * broadcasts, except in networks of one or two addresses (RFC 3021).
 */
function isHost(
  { family, prefixLength }: { family: Family; prefixLength: number },
  address: IpAddress,
): boolean {
  if (family === 6 || prefixLength >= 31) return true;
  const least = 2n ** BigInt(32 - prefixLength);
  const place = addressNumber(address) % least;
  return place !== 0n && place !== least - 1n;
}
