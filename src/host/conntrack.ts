/**
 * Forgets tracked connections, by ctnetlink. A flow keeps the translation that was chosen for its
 * first packet: without this, a UDP client that goes on sending would reach the old container, or
 * nobody, for as long as it sends.
 */
import { readFileSync } from 'node:fs';
import { type Family, familyOf, type IpAddress } from '../core/address.js';
import { DriverError, messageOf } from '../core/errors.js';
import type { Port } from '../core/port.js';
import type { Conntrack } from '../driver/host.js';
import {
  deleteFlowRequest,
  type Flow,
  type FlowFilter,
  listFlowsRequest,
  matchesFlow,
  parseFlow,
} from '../render/conntrack-messages.js';
import { NetlinkError, NetlinkSocket, netlinkProtocol } from './netlink-socket.js';

const countFile = '/proc/sys/net/netfilter/nf_conntrack_count';
const families = [4, 6] as const;
/** What a kernel without connection tracking, or without its netlink part, answers. */
const unsupported = ['EPROTONOSUPPORT', 'EOPNOTSUPP', 'ENOTSUP', 'EINVAL'];

export class ConntrackNetlink implements Conntrack {
  #socket: NetlinkSocket | undefined;

  close(): void {
    this.#socket?.close();
  }

  /** As Docker 23 does when ports are published (spec section 3.6), whatever the address was. */
  async removeUdpFlowsTo(hostPorts: readonly { family: Family; port: Port }[]): Promise<void> {
    await this.#doing('forgetting UDP flows to published ports', async () => {
      for (const family of families) {
        const ports = new Set(
          hostPorts.filter((entry) => entry.family === family).map((entry) => entry.port),
        );
        if (ports.size === 0) continue;
        // The kernel can compare with one port. For several, one dump of all UDP flows is cheaper
        // than a walk through the whole table for each.
        const [port] = ports.size === 1 ? ports : [];
        const flows = await this.#list(family, { kind: 'udp-to', port });
        await this.#delete(flows.filter((flow) => ports.has(flow.destinationPort as Port)));
      }
    });
  }

  /** As Docker does when ports are revoked (spec section 3.6), for all protocols. */
  async removeFlowsOf(containers: readonly IpAddress[]): Promise<void> {
    await this.#doing(`forgetting flows of ${containers.join(', ')}`, async () => {
      for (const family of families) {
        const addresses = new Set(containers.filter((address) => familyOf(address) === family));
        await this.#delete(await this.#listOf(family, addresses));
      }
    });
  }

  async #listOf(family: Family, addresses: ReadonlySet<IpAddress>): Promise<Flow[]> {
    const [address] = addresses;
    if (address === undefined) return [];
    // For IPv6 addresses the kernel's filter leaves out just those that match (seen on 6.18).
    if (addresses.size === 1 && family === 4) {
      return [
        ...(await this.#list(family, { kind: 'reply-source', address })),
        ...(await this.#list(family, { kind: 'reply-destination', address })),
      ];
    }
    const flows = await this.#list(family, { kind: 'all' });
    return flows.filter(
      (flow) => addresses.has(flow.replySource) || addresses.has(flow.replyDestination),
    );
  }

  async #list(family: Family, filter: FlowFilter): Promise<Flow[]> {
    const socket = this.#open();
    if (socket === undefined) return [];
    const replies = await socket
      .request(listFlowsRequest(family, filter))
      .catch((error: unknown) => {
        if (isUnsupported(error)) return socket.request(listFlowsRequest(family, { kind: 'all' }));
        throw error;
      })
      .catch((error: unknown) => {
        if (isUnsupported(error)) return [];
        throw error;
      });
    return replies
      .flatMap(({ type, body }) => parseFlow(type, body) ?? [])
      .filter((flow) => matchesFlow(flow, filter));
  }

  async #delete(flows: readonly Flow[]): Promise<void> {
    const socket = this.#open();
    for (const flow of flows) {
      await socket?.request(deleteFlowRequest(flow)).catch((error: unknown) => {
        // It ended by itself, or it was in both lists.
        if (!(error instanceof NetlinkError && error.code === 'ENOENT')) throw error;
      });
    }
  }

  /** undefined if nothing is tracked: then there is no reason to walk through the table. */
  #open(): NetlinkSocket | undefined {
    if (trackedFlows() === 0) return undefined;
    try {
      this.#socket ??= new NetlinkSocket(netlinkProtocol.netfilter);
    } catch (error) {
      if (isUnsupported(error)) return undefined;
      throw error;
    }
    return this.#socket;
  }

  async #doing(action: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const message = `${action}: ${messageOf(error)}`;
      throw new DriverError('firewall-failed', message, { cause: error });
    }
  }
}

function isUnsupported(error: unknown): boolean {
  return error instanceof Error && 'code' in error && unsupported.includes(String(error.code));
}

/** In this namespace; 0 also if the kernel does not track (or not yet). */
function trackedFlows(): number {
  try {
    return Number(readFileSync(countFile, 'utf8'));
  } catch {
    return 0;
  }
}
