/** The link from this host to a host of a test, which is a network namespace: a veth pair, addresses and routes. */
import { closeSync, openSync } from 'node:fs';
import { addAddressRequest } from '../../codec/netlink/address-messages.js';
import {
  createPairRequest,
  getLinkRequest,
  parseLink,
  setLinkRequest,
} from '../../codec/netlink/link-messages.js';
import { addRouteRequest } from '../../codec/netlink/route-messages.js';
import type { Cidr } from '../../core/address.js';
import { DriverError, messageOf } from '../../core/errors.js';
import type { Libc } from '../process/libc.js';
import { insideNamespace } from './setns.js';
import { NetlinkSocket, netlinkProtocol } from './socket/netlink-socket.js';

export interface OutsideLink {
  /** Path of the outside host's namespace. */
  readonly namespacePath: string;
  /** Name of the link's end on this host. */
  readonly name: string;
  readonly mtu: number;
  /** Addresses of this host and of the outside host, one of each family; the same number of both. */
  readonly here: readonly Cidr[];
  readonly there: readonly Cidr[];
  /** What the outside host reaches by this one; it has no other route. */
  readonly routes: readonly Cidr[];
}

const insideName = 'eth0';

/**
 * Both ends are up when it resolves. The link is gone when the namespace is: nothing has to be removed, also if this
 * process is killed in between.
 *
 * @throws {DriverError} `link-failed`
 */
export async function connectOutside(libc: Libc, link: OutsideLink): Promise<void> {
  const namespaceFd = openSync(link.namespacePath, 'r');
  const own = openSync('/proc/thread-self/ns/net', 'r');
  const here = new NetlinkSocket(netlinkProtocol.route);
  let there: NetlinkSocket | undefined;
  try {
    there = insideNamespace(libc, namespaceFd, () => new NetlinkSocket(netlinkProtocol.route));
    await there.request(
      createPairRequest(insideName, { name: link.name, namespaceFd: own }, link.mtu),
    );
    await there.request(setLinkRequest('lo', { up: true }));
    await configure(here, link.name, link.here);
    const index = await configure(there, insideName, link.there);
    for (const destination of link.routes) {
      const gateway = link.here.find(({ family }) => family === destination.family)?.address;
      await there.request(addRouteRequest(index, destination, gateway));
    }
  } catch (error) {
    const message = `making the link ${link.name} to the outside host: ${messageOf(error)}`;
    throw new DriverError('link-failed', message, { cause: error });
  } finally {
    there?.close();
    here.close();
    closeSync(own);
    closeSync(namespaceFd);
  }
}

/** Answers with the index of the link. */
async function configure(
  socket: NetlinkSocket,
  name: string,
  addresses: readonly Cidr[],
): Promise<number> {
  const [reply] = await socket.request(getLinkRequest(name));
  const index = reply && parseLink(reply.type, reply.body)?.index;
  if (index === undefined) throw new Error(`${name} went away`);
  for (const address of addresses) await socket.request(addAddressRequest(index, address));
  await socket.request(setLinkRequest(index, { up: true }));
  return index;
}
