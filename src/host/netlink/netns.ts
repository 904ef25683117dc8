/**
 * Moves the container's end of a veth pair into a network namespace and configures it there. Docker
 * does this itself; this is for callers that hand over the path of a namespace.
 */
import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import { addAddressRequest } from '../../codec/netlink/address-messages.js';
import {
  getLinkRequest,
  type LinkReply,
  parseLink,
  setLinkRequest,
} from '../../codec/netlink/link-messages.js';
import type { NetlinkRequest } from '../../codec/netlink/netlink-message.js';
import { addRouteRequest } from '../../codec/netlink/route-messages.js';
import {
  anyIpv4,
  anyIpv6,
  type Cidr,
  cidrText,
  familyOf,
  type IpAddress,
  type MacAddress,
} from '../../core/address.js';
import { codeOf, DriverError, messageOf } from '../../core/errors.js';
import type { InterfaceName, InterfacePrefix } from '../../core/names.js';
import type { Libc } from '../process/libc.js';
import { insideNamespace } from './setns.js';
import { NetlinkError } from './socket/netlink-error.js';
import { NetlinkSocket, netlinkProtocol } from './socket/netlink-socket.js';
import { sendWaiting } from './socket/waiting-requests.js';

export interface NamespaceRoute {
  readonly destination: Cidr;
  /** undefined: the destination is on the link itself. */
  readonly gateway: IpAddress | undefined;
}

export interface MoveRequest {
  /** The interface in the daemon's own namespace. */
  readonly peer: InterfaceName;
  /** E.g. `/var/run/docker/netns/1f2e3d`, `/proc/PID/ns/net`. */
  readonly namespacePath: string;
  /**
   * The interface's name in the namespace, or the prefix to which the lowest free index is appended: `eth` → `eth0`.
   */
  readonly name: { readonly exactly: InterfaceName } | { readonly prefix: InterfacePrefix };
  readonly mac?: MacAddress;
  /** Bytes. */
  readonly mtu?: number;
  readonly addresses: readonly Cidr[];
  readonly routes: readonly NamespaceRoute[];
  /** Next hops of the default routes: at most one a family. */
  readonly gateways: readonly IpAddress[];
}

/** How often a free name is chosen anew, after another program has taken it before the move. */
const nameAttempts = 5;

/**
 * When it resolves the interface is up, with its addresses (IPv6 without duplicate detection) and
 * routes, and the loopback interface is up. When it rejects, the peer is back under its old name,
 * down and without addresses.
 *
 * @returns the name of the interface in the namespace
 * @throws {DriverError} `link-failed`
 */
export async function moveIntoNamespace(libc: Libc, request: MoveRequest): Promise<string> {
  const { peer, namespacePath } = request;
  try {
    const fd = openNamespace(namespacePath);
    try {
      return await moveTo(libc, fd, request);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const message = `moving interface ${peer} into namespace ${namespacePath}: ${messageOf(error)}`;
    throw new DriverError('link-failed', message, { cause: error });
  }
}

/**
 * Opens a network namespace. The caller closes the file descriptor.
 *
 * @throws if it is not there, or is the daemon's own namespace
 */
export function openNamespace(path: string): number {
  // Without O_NONBLOCK, a path that leads to a pipe would block the daemon.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const [namespace, own] = [fstatSync(fd), statSync('/proc/thread-self/ns/net')];
  if (namespace.ino !== own.ino || namespace.dev !== own.dev) return fd;
  closeSync(fd);
  throw new Error("that is the daemon's own namespace, whose routes must not be changed");
}

async function moveTo(libc: Libc, fd: number, request: MoveRequest): Promise<string> {
  const socket = socketInside(libc, fd);
  try {
    const name = await moveAndRename(socket, fd, request);
    try {
      await configure(socket, name, request);
      return name;
    } catch (error) {
      await moveBack(socket, name, request.peer).catch((undoError: unknown) => {
        throw new Error(`${messageOf(error)}; and moving it back: ${messageOf(undoError)}`);
      });
      throw error;
    }
  } finally {
    socket.close();
  }
}

function socketInside(libc: Libc, fd: number): NetlinkSocket {
  try {
    return insideNamespace(libc, fd, () => new NetlinkSocket(netlinkProtocol.route));
  } catch (error) {
    if (codeOf(error) === 'EINVAL') {
      throw new Error('this file is not a network namespace');
    }
    throw error;
  }
}

async function moveAndRename(
  inside: NetlinkSocket,
  fd: number,
  { peer, name }: MoveRequest,
): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    const target = 'exactly' in name ? name.exactly : await lowestFree(inside, name.prefix);
    if ((await findLink(inside, target)) !== undefined) throw nameTaken(target);
    const request = setLinkRequest(await indexHere(peer), { namespaceFd: fd, rename: target });
    const [error] = await sendWaiting(netlinkProtocol.route, [request]);
    if (error === undefined) return target;
    if (error.code !== 'EEXIST') throw error;
    if ('exactly' in name || attempt === nameAttempts) throw nameTaken(target);
  }
}

async function indexHere(name: string): Promise<number> {
  const own = new NetlinkSocket(netlinkProtocol.route);
  try {
    return (await linkNamed(own, name)).index;
  } finally {
    own.close();
  }
}

function nameTaken(name: string): Error {
  return new Error(`the name ${name} is taken there by another interface`);
}

/** Asks for one name after the other: the container can have created any number of links. */
async function lowestFree(inside: NetlinkSocket, prefix: InterfacePrefix): Promise<string> {
  for (let index = 0; ; index += 1) {
    const name = `${prefix}${index}`;
    if ((await findLink(inside, name)) === undefined) return name;
  }
}

async function configure(
  socket: NetlinkSocket,
  name: string,
  { mac, mtu, addresses, routes, gateways }: MoveRequest,
): Promise<void> {
  const { index } = await linkNamed(socket, name);
  const setting = { ...(mac === undefined ? {} : { mac }), ...(mtu === undefined ? {} : { mtu }) };
  if (Object.keys(setting).length > 0) {
    await ask(socket, 'setting MAC address and MTU', setLinkRequest(index, setting));
  }
  for (const address of addresses) {
    const action = `adding address ${cidrText(address)}`;
    await ask(socket, action, addAddressRequest(index, address));
  }
  await ask(socket, 'bringing the loopback interface up', setLinkRequest('lo', { up: true }));
  await ask(socket, 'bringing it up', setLinkRequest(index, { up: true }));
  const defaults = gateways.map((gateway) => ({ destination: defaultOf(gateway), gateway }));
  for (const { destination, gateway } of [...routes, ...defaults]) {
    const via = gateway === undefined ? '' : ` via ${gateway}`;
    const action = `adding the route to ${cidrText(destination)}${via}`;
    await ask(socket, action, addRouteRequest(index, destination, gateway));
  }
}

function defaultOf(gateway: IpAddress): Cidr {
  const family = familyOf(gateway);
  return { family, address: family === 4 ? anyIpv4 : anyIpv6, prefixLength: 0 };
}

/** Addresses and routes go when a link leaves its namespace. Waits for a grace period. */
async function moveBack(socket: NetlinkSocket, name: string, peer: string): Promise<void> {
  const own = openSync('/proc/thread-self/ns/net', 'r');
  try {
    const { index } = await linkNamed(socket, name);
    await socket.request(setLinkRequest(index, { up: false }));
    await socket.request(setLinkRequest(index, { namespaceFd: own, rename: peer }));
  } finally {
    closeSync(own);
  }
}

async function findLink(socket: NetlinkSocket, name: string): Promise<LinkReply | undefined> {
  try {
    const [reply] = await socket.request(getLinkRequest(name));
    return reply === undefined ? undefined : parseLink(reply.type, reply.body);
  } catch (error) {
    if (error instanceof NetlinkError && error.code === 'ENODEV') return undefined;
    throw error;
  }
}

async function linkNamed(socket: NetlinkSocket, name: string): Promise<LinkReply> {
  const link = await findLink(socket, name);
  if (link === undefined) throw new Error(`the interface ${name} went away`);
  return link;
}

async function ask(socket: NetlinkSocket, action: string, request: NetlinkRequest): Promise<void> {
  try {
    await socket.request(request);
  } catch (error) {
    const unreachable = error instanceof NetlinkError && error.code === 'ENETUNREACH';
    const hint = unreachable ? ': the next hop is in none of the subnets of its addresses' : '';
    throw new Error(`${action}: ${messageOf(error)}${hint}`, { cause: error });
  }
}
