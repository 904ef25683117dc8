/**
 * Reads and changes routes with our protocol number inside of containers, by rtnetlink. A socket that is opened in a
 * sandbox stays in it. The daemon enters a sandbox only to open one, and is back in its own namespace before it waits
 * for anything.
 */
import { closeSync, openSync } from 'node:fs';
import { getLinkRequest, parseLink, parseLinkedTo } from '../../codec/netlink/link-messages.js';
import {
  addOwnRouteRequest,
  listOwnRoutesRequest,
  parseOwnRoute,
  removeOwnRouteRequest,
  type WireRoute,
} from '../../codec/netlink/own-route-messages.js';
import { codeOf, DriverError, messageOf } from '../../core/errors.js';
import type { InterfaceName } from '../../core/names.js';
import {
  type ContainerRouteStep,
  describeContainerRouteStep,
  type ObservedContainerRoute,
} from '../../core/network/container-routes.js';
import { type ContainerRoute, routeRefusals } from '../../core/network/network.js';
import type { SandboxRoutes } from '../../driver/host/sandbox-routes.js';
import type { Libc } from '../process/libc.js';
import { gone, noSuchFamily } from './host-routes.js';
import { openNamespace } from './netns.js';
import { insideNamespace } from './setns.js';
import { collectDump } from './socket/dump.js';
import { openNetlink } from './socket/netlink-calls.js';
import { NetlinkError } from './socket/netlink-error.js';
import { NetlinkSocket, netlinkProtocol } from './socket/netlink-socket.js';

/** What an administrator can do about an error of the kernel, by the error's code. */
const advice: Readonly<Record<string, string>> = {
  EEXIST:
    'the container has a route to it with that metric that is not ours: remove it there, or give this one another metric',
  ENETUNREACH: 'the next hop is in none of the subnets of the interface',
  EHOSTUNREACH: 'the next hop is in none of the subnets of the interface',
};

/** Errors of a sandbox that is not there any more. `EINVAL`: the file is there, and is not a namespace. */
const noSandbox: readonly string[] = ['ENOENT', 'ENOTDIR', 'ENXIO', 'EINVAL'];

/** An opened sandbox: `fd` of its namespace, a socket in it, and the index of the veth's end in it. */
interface Inside {
  readonly fd: number;
  readonly socket: NetlinkSocket;
  readonly index: number;
}

export class SandboxRoutesNetlink implements SandboxRoutes {
  readonly #own = new NetlinkSocket(netlinkProtocol.route);

  constructor(private readonly libc: Libc) {}

  close(): void {
    this.#own.close();
  }

  /**
   * Tries to enter the namespace that the daemon is in already. That changes nothing, and needs the same capability as
   * to enter another one.
   */
  obstacle(): string | undefined {
    const fd = openSync('/proc/thread-self/ns/net', 'r');
    try {
      this.libc.setNetworkNamespace(fd);
      return undefined;
    } catch (error) {
      return (
        `the daemon may not enter containers (${messageOf(error)}): give it CAP_SYS_ADMIN as docs/options.md says under ` +
        '"Routes inside of containers"'
      );
    } finally {
      closeSync(fd);
    }
  }

  observe(
    sandbox: string,
    host: InterfaceName,
  ): Promise<readonly ObservedContainerRoute[] | undefined> {
    return this.#inside(sandbox, host, async ({ fd, index }) => {
      const open = () => insideNamespace(this.libc, fd, () => openNetlink(netlinkProtocol.route));
      const lists = await Promise.all(
        ([4, 6] as const).map((family) =>
          collectDump(
            netlinkProtocol.route,
            listOwnRoutesRequest(family),
            parseOwnRoute,
            open,
          ).catch(noSuchFamily),
        ),
      );
      return lists.flat().flatMap((route) => observedOf(route, index));
    });
  }

  async apply(
    sandbox: string,
    host: InterfaceName,
    steps: readonly ContainerRouteStep[],
  ): Promise<void> {
    await this.#inside(sandbox, host, async ({ socket, index }) => {
      for (const step of steps) await applyStep(socket, index, host, step);
    });
  }

  async removeRefusals(sandbox: string, routes: readonly ContainerRoute[]): Promise<void> {
    await this.#entered(sandbox, async (socket) => {
      for (const route of routes) await applyStep(socket, 0, sandbox, { kind: 'remove', route });
    });
  }

  async #inside<T>(
    sandbox: string,
    host: InterfaceName,
    work: (inside: Inside) => Promise<T>,
  ): Promise<T | undefined> {
    const peer = await this.#peerOf(host);
    if (peer === undefined) return undefined;
    return this.#entered(sandbox, async (socket, fd) => {
      const isThere = await isUp(socket, peer);
      return isThere ? await work({ fd, socket, index: peer.index }) : undefined;
    });
  }

  /** Does the work with a socket in the sandbox; undefined if there is no such sandbox. */
  async #entered<T>(
    sandbox: string,
    work: (socket: NetlinkSocket, fd: number) => Promise<T>,
  ): Promise<T | undefined> {
    let fd: number;
    try {
      fd = openNamespace(sandbox);
    } catch (error) {
      if (noSandbox.includes(String(codeOf(error)))) return undefined;
      throw error;
    }
    try {
      const socket = this.#open(fd);
      if (socket === undefined) return undefined;
      try {
        return await work(socket, fd);
      } finally {
        socket.close();
      }
    } finally {
      closeSync(fd);
    }
  }

  /** A socket in the namespace; undefined if the file is none (any more). */
  #open(fd: number): NetlinkSocket | undefined {
    try {
      return insideNamespace(this.libc, fd, () => new NetlinkSocket(netlinkProtocol.route));
    } catch (error) {
      if (noSandbox.includes(String(codeOf(error)))) return undefined;
      throw error;
    }
  }

  /**
   * The indexes of both ends of the veth pair; undefined: the host's end is not there, or the other end is not in
   * another namespace.
   */
  async #peerOf(host: InterfaceName): Promise<Peer | undefined> {
    try {
      const [reply] = await this.#own.request(getLinkRequest(host));
      const linked = reply && parseLinkedTo(reply.body);
      const own = reply && parseLink(reply.type, reply.body)?.index;
      if (linked === undefined || !linked.isElsewhere || own === undefined) return undefined;
      return { index: linked.index, host: own };
    } catch (error) {
      if (error instanceof NetlinkError && error.code === 'ENODEV') return undefined;
      throw error;
    }
  }
}

/** `index` of the end in the sandbox, `host` of the end on the host. */
interface Peer {
  readonly index: number;
  readonly host: number;
}

/**
 * Whether the other end of the veth pair is in this sandbox, and up. Each namespace has its own indexes, so another
 * interface of the sandbox may have this one: the kind and the index of its peer tell them apart.
 */
async function isUp(socket: NetlinkSocket, peer: Peer): Promise<boolean> {
  try {
    const [reply] = await socket.request(getLinkRequest(peer.index));
    const link = reply && parseLink(reply.type, reply.body);
    if (reply === undefined || link?.kind !== 'veth') return false;
    return link.up && parseLinkedTo(reply.body)?.index === peer.host;
  } catch (error) {
    if (error instanceof NetlinkError && error.code === 'ENODEV') return false;
    throw error;
  }
}

async function applyStep(
  socket: NetlinkSocket,
  index: number,
  behind: string,
  step: ContainerRouteStep,
): Promise<void> {
  const wire = wireOf(step.route, index);
  try {
    await socket.request(
      step.kind === 'add' ? addOwnRouteRequest(wire) : removeOwnRouteRequest(wire),
    );
  } catch (error) {
    const code = error instanceof NetlinkError ? error.code : '';
    if (step.kind === 'remove' && gone.includes(code)) return;
    const hint = advice[code] === undefined ? '' : `: ${advice[code]}`;
    throw new DriverError(
      code === 'EEXIST' ? 'route-exists' : 'route-failed',
      `${describeContainerRouteStep(behind, step)}: ${messageOf(error)}${hint}`,
      { cause: error },
    );
  }
}

function wireOf(
  route: ContainerRoute & Partial<Pick<ObservedContainerRoute, 'isOwnLink'>>,
  index: number,
): WireRoute {
  const { destination, via, metric, refusal, isOwnLink = true } = route;
  return {
    type: refusal ?? 'unicast',
    destination,
    ...(via === undefined ? {} : { via }),
    ...(refusal === undefined && isOwnLink ? { out: index } : {}),
    ...(metric === undefined ? {} : { metric }),
  };
}

/** The route as the driver sees it; none for a route of a type that the driver does not add. */
function observedOf(
  { type, destination, via, out, metric }: WireRoute,
  index: number,
): ObservedContainerRoute[] {
  const refusal = routeRefusals.find((each) => each === type);
  if (type !== 'unicast' && refusal === undefined) return [];
  return [
    {
      destination,
      ...(via === undefined ? {} : { via }),
      ...(metric === undefined ? {} : { metric }),
      ...(refusal === undefined ? {} : { refusal }),
      isOwnLink: out === index,
    },
  ];
}
