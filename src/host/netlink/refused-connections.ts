/**
 * Ends connections that the present rules would refuse: has the kernel forget their entries. Of connections to the host
 * itself it ends the sockets, too: these would go on sending, and the kernel would take what the other side sends for
 * answers.
 */
import { listAddressesRequest, parseAddress } from '../../codec/netlink/address-messages.js';
import {
  deleteFlowRequest,
  listFlowsRequest,
  parseFlow,
} from '../../codec/netlink/conntrack-messages.js';
import { messagesIn, type NetlinkRequest } from '../../codec/netlink/netlink-message.js';
import {
  endConnectionRequest,
  listConnectionsRequest,
  parseConnection,
  type TcpConnection,
} from '../../codec/netlink/socket-diag-messages.js';
import { type Family, familyOf, type IpAddress, isLoopback } from '../../core/address.js';
import { DriverError, messageOf } from '../../core/errors.js';
import type {
  RefusedFlows,
  TrackedFlow,
  Verdict,
} from '../../core/generations/own-options/refused-flows.js';
import { protocolNumber } from '../../core/ports/port.js';
import type { RefusedConnections } from '../../driver/host/refused-connections.js';
import { isUnsupported, trackedFlows } from './conntrack.js';
import { RouteLookups } from './route-lookup.js';
import { collectDump, readDump } from './socket/dump.js';
import { linkIndex, linkName } from './socket/link-names.js';
import { netlinkProtocol } from './socket/netlink-socket.js';
import { mostRequests, RequestBatches } from './socket/request-batch.js';

const families: readonly Family[] = [4, 6];
/** Errors that are none: the connection has ended by itself, or another socket has taken its place. */
const endedMeanwhile = ['ENOENT', 'ESTALE'];

export class RefusedConnectionsNetlink implements RefusedConnections {
  async end(refused: RefusedFlows): Promise<number> {
    if (refused.isEmpty) return 0;
    try {
      return await endAll(refused);
    } catch (cause) {
      const message = `ending connections that are refused: ${messageOf(cause)}`;
      throw new DriverError('firewall-failed', message, { cause });
    }
  }
}

async function endAll(refused: RefusedFlows): Promise<number> {
  const own = await ownAddresses();
  const isOwn = (address: IpAddress): boolean => own.has(address) || isLoopback(address);
  const interfaces = new ReturnInterfaces();
  const isRefused = async (verdict: Verdict, { source }: TrackedFlow): Promise<boolean> => {
    if (typeof verdict === 'string') return verdict === 'refused';
    const by = await interfaces.toward(source);
    return !verdict.unlessBy.some((name) => name === by);
  };
  /** TCP connections to the host itself, by {@link connectionKey}. */
  const toHost = new Set<string>();
  try {
    const tracked = await forget(async (flow) => {
      if (!(await isRefused(refused.judge(flow, isOwn), flow))) return false;
      if (flow.protocol === protocolNumber.tcp && isOwn(flow.replySource)) {
        toHost.add(connectionKey(flow));
      }
      return true;
    });
    // The kernel tracks connections only while a rule needs that. After a flush it may have missed some, so sockets are
    // judged, too.
    const untracked = await endSockets(async (flow) => {
      if (toHost.has(connectionKey(flow))) return 'tracked';
      return (await isRefused(refused.judgeClient(flow, isOwn), flow)) ? 'untracked' : undefined;
    });
    return tracked + untracked;
  } finally {
    interfaces.close();
  }
}

/** Has the kernel forget the tracked flows that are refused. Answers with how many these were. */
async function forget(isRefused: (flow: TrackedFlow) => Promise<boolean>): Promise<number> {
  if (trackedFlows() === 0) return 0;
  const deletions = new RequestBatches(netlinkProtocol.netfilter);
  let count = 0;
  const read = async (datagram: Buffer): Promise<void> => {
    let requests: NetlinkRequest[] = [];
    for (const { type, start, end } of messagesIn(datagram)) {
      const flow = parseFlow(type, datagram.subarray(start, end));
      if (flow === undefined || !(await isRefused(flow))) continue;
      count += 1;
      requests.push(deleteFlowRequest(flow));
      if (requests.length < mostRequests) continue;
      await deletions.send(requests, endedMeanwhile);
      requests = [];
    }
    await deletions.send(requests, endedMeanwhile);
  };
  try {
    for (const family of families) {
      const request = listFlowsRequest({ kind: 'family', family });
      await readDump(netlinkProtocol.netfilter, request, read).catch(ifTracked);
    }
  } finally {
    deletions.close();
  }
  return count;
}

/** Passes over the error of a kernel that does not track a family: it has no connections of it. */
function ifTracked(error: unknown): void {
  if (!isUnsupported(error)) throw error;
}

async function ownAddresses(): Promise<ReadonlySet<IpAddress>> {
  const addresses = await collectDump(
    netlinkProtocol.route,
    listAddressesRequest(),
    (type, body) => parseAddress(type, body)?.cidr.address,
  );
  return new Set(addresses);
}

const connectionKey = (flow: TrackedFlow): string =>
  `${flow.replySource} ${flow.replySourcePort} ${flow.replyDestination} ${flow.sourcePort}`;

/**
 * Ends the TCP sockets of the host whose connections are refused. Answers with how many of them the kernel did not
 * track.
 *
 * @throws {NetlinkError} `EOPNOTSUPP` if the kernel cannot end sockets (CONFIG_INET_DIAG_DESTROY)
 */
async function endSockets(
  judge: (flow: TrackedFlow) => Promise<'tracked' | 'untracked' | undefined>,
): Promise<number> {
  const ends = new RequestBatches(netlinkProtocol.socketDiag);
  let count = 0;
  const read = async (datagram: Buffer): Promise<void> => {
    const requests: NetlinkRequest[] = [];
    for (const { type, start, end } of messagesIn(datagram)) {
      const found = parseConnection(type, datagram.subarray(start, end));
      const verdict = found && (await judge(fromPeer(found)));
      if (found === undefined || verdict === undefined) continue;
      if (verdict === 'untracked') count += 1;
      requests.push(endConnectionRequest(found));
    }
    for (let at = 0; at < requests.length; at += mostRequests) {
      await ends.send(requests.slice(at, at + mostRequests), endedMeanwhile);
    }
  };
  try {
    for (const family of families) {
      await readDump(netlinkProtocol.socketDiag, listConnectionsRequest(family), read);
    }
  } finally {
    ends.close();
  }
  return count;
}

/** The connection of a socket, as if its peer had begun it: a socket does not tell who did. */
function fromPeer({ local, localPort, peer, peerPort }: TcpConnection): TrackedFlow {
  const [source, sourcePort, destination, destinationPort] = [peer, peerPort, local, localPort];
  return {
    ...{ family: familyOf(local), protocol: protocolNumber.tcp },
    ...{ source, sourcePort, destination, destinationPort },
    ...{ replySource: local, replySourcePort: localPort, replyDestination: peer },
  };
}

/** Tells by which interface the host reaches an address. Asks the kernel once for each address. */
class ReturnInterfaces {
  readonly #lookups = new RouteLookups({ indexOf: linkIndex, nameOf: linkName });
  readonly #known = new Map<IpAddress, string | undefined>();

  async toward(destination: IpAddress): Promise<string | undefined> {
    if (this.#known.has(destination)) return this.#known.get(destination);
    const family = destination.includes(':') ? 6 : 4;
    const nothing = { mark: 0, tos: 0, protocol: 0, sourcePort: 0, destinationPort: 0 };
    const route = await this.#lookups.lookup({ kind: 'route', family, destination, ...nothing });
    const by = route.to === 'interface' ? route.outInterface : undefined;
    this.#known.set(destination, by);
    return by;
  }

  close(): void {
    this.#lookups.close();
  }
}
