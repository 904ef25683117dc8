/** Reads and changes proxy entries in the daemon's network namespace, and tells neighbours of addresses. */
import { release } from 'node:os';
import { listAddressesRequest, parseAddress } from '../../codec/netlink/address-messages.js';
import { getLinkRequest, parseMacAddress } from '../../codec/netlink/link-messages.js';
import {
  addProxyRequest,
  listProxiesRequest,
  parseProxy,
  removeProxyRequest,
} from '../../codec/netlink/neighbour-messages.js';
import { readFoundRoute, routeRequest } from '../../codec/netlink/route-question.js';
import { type Cidr, type Family, parseIp } from '../../core/address.js';
import { DriverError, messageOf } from '../../core/errors.js';
import type { Advertisement } from '../../core/network/advertisements.js';
import {
  type NeighbourProxy,
  type ObservedProxy,
  proxyText,
} from '../../core/network/neighbour-proxies.js';
import type { Neighbours } from '../../driver/host/neighbours.js';
import type { Libc } from '../process/libc.js';
import { advertise } from './advertisements.js';
import { gone, noSuchFamily } from './host-routes.js';
import { collectDump } from './socket/dump.js';
import { linkIndex, linkName } from './socket/link-names.js';
import { NetlinkError } from './socket/netlink-error.js';
import { NetlinkSocket, netlinkProtocol } from './socket/netlink-socket.js';

const families: readonly Family[] = [4, 6];

/**
 * The question for the host's uplink: the interface by which a packet to 2000::1 or 1.0.0.0 leaves. These are public
 * addresses of no host, so that usually only a default route leads there.
 */
const outward = { mark: 0, tos: 0, protocol: 0, sourcePort: 0, destinationPort: 0 } as const;
const somewhere = { 4: parseIp('1.0.0.0'), 6: parseIp('2000::1') } as const;

export class NeighboursNetlink implements Neighbours {
  readonly #socket = new NetlinkSocket(netlinkProtocol.route);
  /** Whether the kernel keeps protocol numbers of proxy entries: since Linux 5.0. */
  readonly #keepsNumbers: boolean;

  /** @param kernel its release as `uname -r` prints it */
  constructor(
    private readonly libc: Pick<Libc, 'sendFrame'>,
    kernel = release(),
  ) {
    this.#keepsNumbers = Number.parseInt(kernel, 10) >= 5;
  }

  close(): void {
    this.#socket.close();
  }

  async uplink(family: Family): Promise<string | undefined> {
    const destination = somewhere[family];
    if (destination === undefined) return undefined;
    try {
      const [reply] = await this.#socket.request(routeRequest({ ...outward, family, destination }));
      const route = reply && readFoundRoute(reply.type, reply.body);
      return route?.type === 'unicast' ? linkName(route.outInterface ?? 0) : undefined;
    } catch (error) {
      if (error instanceof NetlinkError) return undefined;
      throw error;
    }
  }

  async addressesOf(device: string): Promise<readonly Cidr[] | undefined> {
    const index = linkIndex(device);
    if (index === undefined) return undefined;
    const only = new Set([index]);
    return collectDump(
      netlinkProtocol.route,
      listAddressesRequest(index),
      (type, body) => parseAddress(type, body, only)?.cidr,
    );
  }

  async proxies(): Promise<readonly ObservedProxy[]> {
    const { route } = netlinkProtocol;
    const lists = await Promise.all(
      families.map((family) =>
        collectDump(route, listProxiesRequest(family), parseProxy).catch(noSuchFamily),
      ),
    );
    return lists.flat().flatMap((each) => {
      const device = linkName(each.interface);
      const isOurs = this.#keepsNumbers ? each.isOurs : undefined;
      return device === undefined ? [] : [{ address: each.address, device, isOurs }];
    });
  }

  async addProxy({ address, device }: NeighbourProxy): Promise<void> {
    try {
      const index = linkIndex(device);
      if (index === undefined) throw new Error(`there is no interface ${device}`);
      await this.#socket.request(addProxyRequest(address, index));
    } catch (error) {
      throw failed(`answering for ${proxyText({ address, device })}`, error);
    }
  }

  async removeProxy({ address, device }: NeighbourProxy): Promise<void> {
    const index = linkIndex(device);
    // The entries of an interface go with it.
    if (index === undefined) return;
    try {
      await this.#socket.request(removeProxyRequest(address, index));
    } catch (error) {
      if (error instanceof NetlinkError && gone.includes(error.code)) return;
      throw failed(`answering no more for ${proxyText({ address, device })}`, error);
    }
  }

  advertise(advertisement: Advertisement): Promise<void> {
    return advertise(this.libc, this.#socket, advertisement, async () => {
      const [reply] = await this.#socket.request(getLinkRequest(advertisement.device));
      return reply && parseMacAddress(reply.body);
    });
  }
}

const failed = (action: string, error: unknown): DriverError =>
  new DriverError('route-failed', `${action}: ${messageOf(error)}`, { cause: error });
