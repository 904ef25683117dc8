/**
 * Asks the kernel how it would route a packet, and gives the answer in the form that the simulation of packets takes.
 */
import { readFoundRoute, routeRequest } from '../../codec/netlink/route-question.js';
import type { RouteAnswer, RouteQuestion } from '../../core/explain/facts.js';
import { noRouteWords } from '../../core/explain/routes/no-route.js';
import { NetlinkError } from './socket/netlink-error.js';
import { NetlinkSocket, netlinkProtocol } from './socket/netlink-socket.js';

/** Names and indexes of the interfaces at one moment. */
export interface Interfaces {
  indexOf(name: string): number | undefined;
  nameOf(index: number): string | undefined;
}

/** Types of routes by which a packet leaves the host. */
const sendable: ReadonlySet<string> = new Set(['unicast', 'broadcast', 'multicast']);

export class RouteLookups {
  readonly #socket = new NetlinkSocket(netlinkProtocol.route);

  constructor(private readonly interfaces: Interfaces) {}

  /** @throws {NetlinkError} if the kernel does not answer */
  async lookup(question: RouteQuestion): Promise<RouteAnswer> {
    const { inInterface: name, kind: _, ...rest } = question;
    const inInterface = name === undefined ? undefined : this.interfaces.indexOf(name);
    if (name !== undefined && inInterface === undefined) {
      return { to: 'nowhere', words: `interface ${name} is gone` };
    }
    try {
      const request = routeRequest({
        ...rest,
        ...(inInterface === undefined ? {} : { inInterface }),
      });
      const [reply] = await this.#socket.request(request);
      const route = reply && readFoundRoute(reply.type, reply.body);
      if (route === undefined)
        return { to: 'nowhere', words: 'the kernel says nothing of a route' };
      const received = inInterface !== undefined;
      const isOwn = route.type === 'local' || route.type === 'anycast';
      if (isOwn || (received && route.type === 'broadcast')) return { to: 'host' };
      const outInterface = this.interfaces.nameOf(route.outInterface ?? 0);
      if (!sendable.has(route.type) || outInterface === undefined) {
        return { to: 'nowhere', words: `the route says ${route.type}` };
      }
      const { gateway } = route;
      return { to: 'interface', outInterface, ...(gateway === undefined ? {} : { gateway }) };
    } catch (error) {
      const words = error instanceof NetlinkError ? noRouteWords(error.code, question) : undefined;
      if (words === undefined) throw error;
      return { to: 'nowhere', words };
    }
  }

  close(): void {
    this.#socket.close();
  }
}
