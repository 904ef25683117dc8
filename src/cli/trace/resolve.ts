/** Makes the filter of a trace of the words on the command line: names become addresses and ports. */
import {
  type Cidr,
  contains,
  type Family,
  hostCidr,
  networkOf,
  parseCidr,
  parseIp,
} from '../../core/address.js';
import { ipProtocols } from '../../core/explain/packet.js';
import type { TraceDestination, TracePlace } from '../../core/trace/ends.js';
import {
  both,
  type Condition,
  mostPatterns,
  type PacketFilter,
  type Pattern,
  possible,
  protocolPatterns,
} from '../../core/trace/pattern.js';
import type { HostAnswers } from '../../host/look/host-answers.js';
import type { InventoryEndpoint } from '../../operator/inventory/inventory.js';
import { isContainer, isNetwork } from '../commands/labels.js';
import type { InventoryView } from '../inventory/view.js';
import { UsageError } from '../table/parse.js';

/** What was given on the command line. */
export interface TraceSelection {
  readonly from?: TracePlace | undefined;
  readonly to?: TraceDestination | undefined;
  /** Name or id of a container: packets from it or to it. */
  readonly container?: string | undefined;
  readonly network?: string | undefined;
}

const everything: PacketFilter = [[]];
/** No multicast: neighbour discovery and the like would hide everything else. Who names such an address sees it. */
const noGroups = (): PacketFilter =>
  ['224.0.0.0/4', 'ff00::/8'].flatMap((text) => {
    const cidr = parseCidr(text);
    if (cidr === undefined) return [];
    const { family } = cidr;
    return [[{ is: 'family', family } as const, { is: 'destination', cidr, not: true } as const]];
  });
/** Addresses that no host has (RFC 5737, RFC 3849): the host routes them by its default routes. */
const strangers = ['198.51.100.77', '2001:db8:77::77'].flatMap((text) => parseIp(text) ?? []);

export class TraceResolver {
  constructor(
    private readonly host: HostAnswers,
    /** undefined: neither the daemon nor its records tell of containers and networks. */
    private readonly view: InventoryView | undefined,
  ) {}

  /** @throws {UsageError} for a place that is not there, or patterns that are too many */
  async filter({ from, to, container, network }: TraceSelection): Promise<PacketFilter> {
    const filters = [
      from === undefined ? everything : await this.#from(from),
      to === undefined ? everything : await this.#to(to),
      container === undefined ? everything : this.#about(this.#endpoints(container)),
      network === undefined ? everything : ends(this.#subnets(network)),
    ];
    const named = to?.place?.kind === 'address' || to?.place?.kind === 'cidr';
    const all = possible(filters.reduce(both, named ? everything : noGroups()));
    if (all.length === 0) throw new UsageError('no packet can be all of this');
    if (all.length > mostPatterns) {
      throw new UsageError(
        `that are ${all.length} kinds of packets; at most ${mostPatterns} can be told apart`,
      );
    }
    return all;
  }

  async #from(place: TracePlace): Promise<PacketFilter> {
    switch (place.kind) {
      case 'any':
        return everything;
      case 'host':
        return [[{ is: 'made-here' }]];
      case 'elsewhere':
      case 'lan': {
        const uplinks = await this.#uplinks();
        return uplinks.flatMap(({ name, family, near }): PacketFilter => {
          const arrives: Pattern = [
            { is: 'family', family },
            { is: 'arrives', interface: name },
          ];
          if (place.kind === 'elsewhere') return [[...arrives, ...outside('source', near)]];
          return near.map((cidr): Pattern => [...arrives, { is: 'source', cidr }]);
        });
      }
      case 'address': {
        const source: Condition = { is: 'source', cidr: hostCidr(place.address) };
        const { interface: name } = place;
        return [name === undefined ? [source] : [source, { is: 'arrives', interface: name }]];
      }
      default:
        return this.#cidrs(place).map((cidr): Pattern => [{ is: 'source', cidr }]);
    }
  }

  async #to({ place, protocol, port }: TraceDestination): Promise<PacketFilter> {
    const ported: PacketFilter = port === undefined ? everything : [[{ is: 'port', port }]];
    const precise = both(protocol === undefined ? everything : protocolPatterns(protocol), ported);
    if (place?.kind !== 'container') return both(precise, await this.#toPlace(place));
    const endpoints = this.#found(place.name, place.network);
    const direct = this.#cidrs(place).map((cidr): Pattern => [{ is: 'destination', cidr }]);
    const published = endpoints.flatMap((endpoint) => publishedPatterns(endpoint, protocol, port));
    return [...both(precise, direct), ...published];
  }

  async #toPlace(place: TracePlace | undefined): Promise<PacketFilter> {
    if (place === undefined) return [[{ is: 'to-host' }]];
    switch (place.kind) {
      case 'any':
        return everything;
      case 'host':
        return [[{ is: 'to-host' }]];
      case 'elsewhere': {
        const own = this.host.addresses.networks();
        return ([4, 6] as const).map(
          (family): Pattern => [
            { is: 'family', family },
            ...outside(
              'destination',
              own.filter((cidr) => cidr.family === family),
            ),
          ],
        );
      }
      case 'lan': {
        const uplinks = await this.#uplinks();
        return uplinks.flatMap(({ near }) =>
          near.map((cidr): Pattern => [{ is: 'destination', cidr }]),
        );
      }
      default:
        return this.#cidrs(place).map((cidr): Pattern => [{ is: 'destination', cidr }]);
    }
  }

  #cidrs(
    place: Exclude<TracePlace, { kind: 'any' | 'host' | 'elsewhere' | 'lan' }>,
  ): readonly Cidr[] {
    switch (place.kind) {
      case 'cidr':
        return [networkOf(place.cidr)];
      case 'address':
        return [hostCidr(place.address)];
      case 'container': {
        const endpoints = this.#found(place.name, place.network);
        return endpoints.length > 0 ? endpoints.flatMap(addressesOf) : this.#subnets(place.name);
      }
    }
  }

  #about(endpoints: readonly InventoryEndpoint[]): PacketFilter {
    return endpoints.flatMap((endpoint) => [
      ...ends(addressesOf(endpoint)),
      ...publishedPatterns(endpoint, undefined, undefined),
    ]);
  }

  #endpoints(name: string): readonly InventoryEndpoint[] {
    const endpoints = this.#found(name, undefined);
    if (endpoints.length > 0) return endpoints;
    throw new UsageError(`there is no container ${name} of tsbridge; see tsbridge ps`);
  }

  #found(name: string, network: string | undefined): readonly InventoryEndpoint[] {
    const { view } = this;
    if (view === undefined) return [];
    return view
      .endpoints()
      .filter(
        (endpoint) =>
          isContainer(view, endpoint.id, name) &&
          (network === undefined || isNetwork(view, endpoint.network, network)),
      );
  }

  #subnets(name: string): readonly Cidr[] {
    const { view } = this;
    const found = view?.networks().filter(({ id }) => isNetwork(view, id, name)) ?? [];
    if (found.length === 0) {
      throw new UsageError(`there is no container or network ${name} of tsbridge; see tsbridge ps`);
    }
    return found.flatMap(({ subnets }) => subnets.flatMap((text) => parseCidr(text) ?? []));
  }

  /** The interfaces of the default routes, with the networks behind them. */
  async #uplinks(): Promise<{ name: string; family: Family; near: readonly Cidr[] }[]> {
    const uplinks = [];
    for (const stranger of strangers) {
      const family = stranger.includes(':') ? 6 : 4;
      const route = await this.host.routeTo(stranger);
      if (route.to !== 'interface') continue;
      const own = this.host.addresses.addressesOf(route.outInterface, family);
      const near = own.map((each) => networkOf({ family, ...each }));
      uplinks.push({ name: route.outInterface, family, near } as const);
    }
    if (uplinks.length > 0) return uplinks;
    throw new UsageError(
      'the host has no default route: name an address or a network, 198.51.100.0/24',
    );
  }
}

/** Packets from or to one of these networks. */
function ends(cidrs: readonly Cidr[]): PacketFilter {
  return cidrs.flatMap(
    (cidr): PacketFilter => [[{ is: 'source', cidr }], [{ is: 'destination', cidr }]],
  );
}

function outside(end: 'source' | 'destination', cidrs: readonly Cidr[]): Condition[] {
  const networks = cidrs.map(networkOf);
  // A network that lies in another one needs no condition of its own.
  const largest = networks.filter(
    (cidr, at) =>
      !networks.some(
        (other, index) =>
          contains(other, cidr.address) &&
          (other.prefixLength < cidr.prefixLength ||
            (other.prefixLength === cidr.prefixLength && index < at)),
      ),
  );
  return largest.map((cidr) => ({ is: end, cidr, not: true }));
}

function addressesOf({ ipv4, ipv6 }: InventoryEndpoint): Cidr[] {
  return [ipv4, ipv6].flatMap((cidr) => {
    const address = parseIp(cidr?.split('/')[0] ?? '');
    return address === undefined ? [] : hostCidr(address);
  });
}

/** Packets to the host ports by which ports of the container are published, all or the one given. */
function publishedPatterns(
  { ports }: InventoryEndpoint,
  protocol: number | undefined,
  port: number | undefined,
): PacketFilter {
  return ports.flatMap(({ protocol: name, hostIp, hostPort, containerPort }): PacketFilter => {
    const number = ipProtocols[name];
    if (protocol !== undefined && protocol !== number) return [];
    if (port !== undefined && port !== containerPort) return [];
    const address = parseIp(hostIp);
    if (address === undefined) return [];
    const family = address.includes(':') ? 6 : 4;
    const any = address === '0.0.0.0' || address === '::';
    return [
      [
        ...([
          { is: 'family', family },
          { is: 'protocol', protocol: number },
        ] as const),
        any ? { is: 'to-host' } : { is: 'destination', cidr: hostCidr(address) },
        { is: 'port', port: hostPort },
      ],
    ];
  });
}
