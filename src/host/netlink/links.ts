/** Links, addresses and routes of one network namespace, by rtnetlink. */

import {
  addAddressRequest,
  listAddressesRequest,
  parseAddress,
  removeAddressRequest,
} from '../../codec/netlink/address-messages.js';
import {
  createBridgeRequest,
  createVethRequest,
  getLinkRequest,
  type LinkReply,
  listLinksRequest,
  listPortsRequest,
  parseLink,
  portRequest,
  setLinkRequest,
} from '../../codec/netlink/link-messages.js';
import {
  listRoutesRequest,
  type RouteReply,
  routeParser,
} from '../../codec/netlink/route-messages.js';
import { type Cidr, cidrText, type Family, type IpAddress } from '../../core/address.js';
import { DriverError, messageOf } from '../../core/errors.js';
import type { InterfaceName } from '../../core/names.js';
import {
  type BridgeLink,
  type LinkChange,
  type LinkSpec,
  linkLabel,
  type ObservedLink,
  type VethLink,
} from '../../core/network/links.js';
import type { Links, ObservedRoute } from '../../driver/host.js';
import { LinkRemoval } from './link-removal.js';
import { collectDump } from './socket/dump.js';
import { linkIndex } from './socket/link-names.js';
import { NetlinkError } from './socket/netlink-error.js';
import { NetlinkSocket, netlinkProtocol } from './socket/netlink-socket.js';

/** What an administrator can do about an error of the kernel, by its code; it is added to the error's text. */
const advice: Readonly<Record<string, string>> = {
  EEXIST: 'the name is taken by another interface; delete that one, or choose another name',
  EPERM: 'the daemon needs root, or the capability CAP_NET_ADMIN',
  ENODEV: 'no such interface; was it deleted by another program?',
  EOPNOTSUPP: "the kernel has no support for this kind of interface (modules 'bridge', 'veth')",
  ENOTSUP: "the kernel has no support for this kind of interface (modules 'bridge', 'veth')",
};

const noIsolation =
  'the kernel isolates no ports (Linux does since 4.18): leave tsbridge.port_isolation out';

export class LinksNetlink implements Links {
  readonly #socket: NetlinkSocket;
  readonly #removal = new LinkRemoval();

  /** Opens the socket in the namespace that the calling thread is in. */
  constructor() {
    this.#socket = new NetlinkSocket(netlinkProtocol.route);
  }

  close(): void {
    this.#socket.close();
  }

  async find(name: string): Promise<ObservedLink | undefined> {
    const link = await this.#lookUp(name);
    if (link === undefined) return undefined;
    if (link.kind !== 'bridge') return { ...link, addresses: [] };
    const addresses = await this.#doing(`reading the addresses of ${name}`, () =>
      addressesOf([link], link.index),
    );
    return { ...link, addresses: addresses.get(link.index) ?? [] };
  }

  async list(): Promise<ObservedLink[]> {
    return this.#doing('listing the interfaces', async () => {
      const [bridges, veths] = await Promise.all([listLinks('bridge'), listLinks('veth')]);
      const addresses = await addressesOf(bridges);
      return [...bridges, ...veths].map((link) => ({
        ...link,
        addresses: addresses.get(link.index) ?? [],
      }));
    });
  }

  async routesInto(subnets: readonly Cidr[]): Promise<ObservedRoute[]> {
    return this.#doing('listing the routes', async () => {
      const routes: ObservedRoute[] = [];
      for (const family of new Set(subnets.map((subnet) => subnet.family))) {
        for (const route of await listRoutes(family, subnets)) {
          const name = await this.#nameOf(route.interfaceIndex);
          // Without a name, the interface was deleted since the dump, and its routes with it.
          if (name !== undefined) routes.push({ destination: route.destination, interface: name });
        }
      }
      return routes;
    });
  }

  portsOf({ name, index }: ObservedLink): Promise<LinkReply[]> {
    return this.#doing(`listing the ports of ${name}`, () =>
      collectDump(netlinkProtocol.route, listPortsRequest(index), (type, body) => {
        const link = parseLink(type, body);
        return link?.master === index ? link : undefined;
      }),
    );
  }

  hasAddress(address: IpAddress): Promise<boolean> {
    return this.#doing(`looking for ${address}`, async () => {
      const found = await collectDump(
        netlinkProtocol.route,
        listAddressesRequest(),
        (type, body) => {
          const cidr = parseAddress(type, body)?.cidr;
          return cidr?.address === address ? cidr : undefined;
        },
      );
      return found.length > 0;
    });
  }

  async create(link: LinkSpec): Promise<void> {
    await this.#doing(`creating ${linkLabel(link)}`, () => this.#create(link));
  }

  #create(link: LinkSpec): Promise<void> {
    switch (link.kind) {
      case 'bridge':
        return this.#createBridge(link);
      case 'veth':
        return this.#createVeth(link);
    }
  }

  async #createBridge(bridge: BridgeLink): Promise<void> {
    await this.#socket.request(createBridgeRequest(bridge));
    const { mtu } = bridge;
    if (mtu === undefined) return;
    await this.#orUndo(bridge.name, async () => {
      await this.#socket.request(setLinkRequest(bridge.name, { mtu }));
    });
  }

  async #createVeth(veth: VethLink): Promise<void> {
    const { host } = veth.names;
    const bridge = this.#index(veth.bridge);
    await this.#socket.request(createVethRequest(veth, bridge));
    const { hairpin, isolated = false } = veth;
    if (!hairpin && !isolated) return;
    const options = { ...(hairpin ? { hairpin } : {}), ...(isolated ? { isolated } : {}) };
    await this.#orUndo(host, async () => {
      await this.#socket.request(portRequest(host, options));
      // A kernel that does not know the option ignores it, without an error.
      if (isolated && (await this.#lookUp(host))?.isolated !== true) throw new Error(noIsolation);
    });
  }

  async change(name: InterfaceName, change: LinkChange): Promise<void> {
    await this.#doing(`changing interface ${name}`, async () => {
      const { mtu, up, master, hairpin, isolated } = change;
      const setting = {
        ...(mtu === undefined ? {} : { mtu }),
        ...(up === undefined ? {} : { up }),
        ...(master === undefined ? {} : { master: this.#index(master) }),
      };
      if (Object.keys(setting).length > 0) {
        await this.#socket.request(setLinkRequest(name, setting));
      }
      if (hairpin === undefined && isolated === undefined) return;
      const options = {
        ...(hairpin === undefined ? {} : { hairpin }),
        ...(isolated === undefined ? {} : { isolated }),
      };
      await this.#socket.request(portRequest(name, options));
    });
  }

  /** An address that is there already is success. */
  async addAddress(name: InterfaceName, address: Cidr): Promise<void> {
    await this.#doing(`adding address ${cidrText(address)} to ${name}`, async () => {
      const index = this.#index(name);
      await this.#socket.request(addAddressRequest(index, address)).catch(unless('EEXIST'));
    });
  }

  /** An address, or an interface, that is not there is success. */
  async removeAddress(name: InterfaceName, address: Cidr): Promise<void> {
    await this.#doing(`removing address ${cidrText(address)} from ${name}`, async () => {
      const link = await this.#lookUp(name);
      if (link === undefined) return;
      await this.#socket
        .request(removeAddressRequest(link.index, address))
        .catch(unless('EADDRNOTAVAIL', 'ENODEV'));
    });
  }

  async remove(name: InterfaceName): Promise<void> {
    // Most often it is gone already, deleted by the kernel with the sandbox: that needs no process.
    if ((await this.#lookUp(name)) !== undefined) await this.#removal.remove(name);
  }

  async #lookUp(name: string): Promise<LinkReply | undefined> {
    // Most often there is no such interface, which linkIndex finds out without a thread and the kernel's lock of links.
    if (linkIndex(name) === undefined) return undefined;
    return this.#doing(`looking for interface ${name}`, async () => {
      const replies = await this.#socket.request(getLinkRequest(name)).catch(unless('ENODEV'));
      const [reply] = replies ?? [];
      return reply === undefined ? undefined : parseLink(reply.type, reply.body);
    });
  }

  #index(name: string): number {
    const index = linkIndex(name);
    if (index !== undefined) return index;
    throw new DriverError('link-failed', `there is no interface ${name}`);
  }

  async #nameOf(index: number | undefined): Promise<string | undefined> {
    if (index === undefined) return undefined;
    const replies = await this.#socket.request(getLinkRequest(index)).catch(unless('ENODEV'));
    const [reply] = replies ?? [];
    return reply === undefined ? undefined : parseLink(reply.type, reply.body)?.name;
  }

  /** Deletes the new link if `step` fails. */
  async #orUndo(name: InterfaceName, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      await this.#removal.remove(name).catch((undoError: unknown) => {
        throw new DriverError(
          'link-failed',
          `${messageOf(error)}; and undoing it: ${messageOf(undoError)}`,
          { cause: error },
        );
      });
      throw error;
    }
  }

  async #doing<T>(action: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof DriverError && error.code !== 'link-failed') throw error;
      const hint = error instanceof NetlinkError ? advice[error.code] : undefined;
      const message = `${action}: ${messageOf(error)}${hint === undefined ? '' : `: ${hint}`}`;
      throw new DriverError('link-failed', message, { cause: error });
    }
  }
}

/** The links of the kind. A kernel that does not know the kind yet (it is a module) lists all links. */
function listLinks(kind: 'bridge' | 'veth'): Promise<LinkReply[]> {
  return collectDump(netlinkProtocol.route, listLinksRequest(kind), (type, body) => {
    const link = parseLink(type, body);
    return link?.kind === kind ? link : undefined;
  });
}

/** Addresses by the index of their link. @param only the one link whose addresses are wanted */
async function addressesOf(
  links: readonly LinkReply[],
  only?: number,
): Promise<Map<number, Cidr[]>> {
  const wanted = new Set(links.map(({ index }) => index));
  const byLink = new Map<number, Cidr[]>();
  const listed = await collectDump(
    netlinkProtocol.route,
    listAddressesRequest(only),
    (type, body) => parseAddress(type, body, wanted),
  ).catch(unless('ENODEV'));
  for (const { index, cidr } of listed ?? []) {
    const others = byLink.get(index);
    if (others === undefined) byLink.set(index, [cidr]);
    else others.push(cidr);
  }
  return byLink;
}

/** A namespace that never had a route has no main table. */
async function listRoutes(family: Family, subnets: readonly Cidr[]): Promise<RouteReply[]> {
  const request = listRoutesRequest(family);
  const parse = routeParser(subnets);
  return (await collectDump(netlinkProtocol.route, request, parse).catch(unless('ENOENT'))) ?? [];
}

/** A handler for `catch` that takes these codes of the kernel for success. */
function unless(...codes: readonly string[]): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof NetlinkError && codes.includes(error.code)) return undefined;
    throw error;
  };
}
