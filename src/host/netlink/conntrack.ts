/**
 * Forgets tracked connections, by ctnetlink. A flow keeps the translation that was chosen for its
 * first packet: without this, a UDP client that goes on sending would reach the old container, or
 * nobody, for as long as it sends.
 */
import { readFileSync } from 'node:fs';
import {
  deleteFlowRequest,
  type Flow,
  type FlowFilter,
  listFlowsRequest,
  parseFlow,
  removeFlowsRequest,
} from '../../codec/conntrack-messages.js';
import type { Family, IpAddress } from '../../core/address.js';
import { DriverError, messageOf } from '../../core/errors.js';
import type { Port } from '../../core/ports/port.js';
import type { Conntrack } from '../../driver/host.js';
import { type FlowSelector, flowMatcher, planDumps, planRemovals } from './flow-selection.js';
import { NetlinkError, NetlinkSocket, netlinkProtocol } from './netlink-socket.js';

const countFile = '/proc/sys/net/netfilter/nf_conntrack_count';
/** What a kernel without connection tracking, or without its netlink part, answers. */
const unsupported = ['EPROTONOSUPPORT', 'EOPNOTSUPP', 'ENOTSUP', 'EINVAL'];

interface Removal {
  readonly selectors: readonly FlowSelector[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Where the kernel can, it is told which flows to remove; otherwise they are listed first. Calls in
 * the same turn of the event loop, and those that arrive while others are worked on, share one walk
 * through the kernel's table: that walk is what a list costs.
 */
export class ConntrackNetlink implements Conntrack {
  #socket: NetlinkSocket | undefined;
  #waiting: Removal[] = [];
  #running = false;
  #removesByFilter: boolean;

  /** @param removesByFilter false: as with an older kernel; for tests */
  constructor(removesByFilter = true) {
    this.#removesByFilter = removesByFilter;
  }

  close(): void {
    this.#socket?.close();
  }

  /** As Docker 23 does when ports are published (docs/docker-bridge.md 3.9). */
  removeUdpFlowsTo(hostPorts: readonly { family: Family; port: Port }[]): Promise<void> {
    return this.#remove(hostPorts.map(({ family, port }) => ({ kind: 'udp-to', family, port })));
  }

  /** As Docker does when ports are revoked (docs/docker-bridge.md 3.9), for all protocols. */
  removeFlowsOf(containers: readonly IpAddress[]): Promise<void> {
    return this.#remove(containers.map((address) => ({ kind: 'container', address })));
  }

  #remove(selectors: readonly FlowSelector[]): Promise<void> {
    if (selectors.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ selectors, resolve, reject });
      if (this.#running) return;
      this.#running = true;
      queueMicrotask(() => void this.#run());
    });
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#removeFlows(batch.flatMap(({ selectors }) => selectors));
        for (const { resolve } of batch) resolve();
      } catch (cause) {
        const message = `forgetting the tracked connections of containers: ${messageOf(cause)}`;
        const error = new DriverError('firewall-failed', message, { cause });
        for (const { reject } of batch) reject(error);
      }
    }
    this.#running = false;
  }

  async #removeFlows(selectors: readonly FlowSelector[]): Promise<void> {
    const tracked = trackedFlows();
    const socket = tracked === 0 ? undefined : this.#open();
    if (socket === undefined) return;
    if (await this.#removeByFilter(socket, selectors)) return;
    const matches = flowMatcher(selectors);
    for (const filter of planDumps(selectors, tracked)) {
      const flows = await list(socket, filter);
      for (const flow of flows.filter(matches)) await forget(socket, flow);
    }
  }

  /** false: nothing, or not all, was removed. */
  async #removeByFilter(
    socket: NetlinkSocket,
    selectors: readonly FlowSelector[],
  ): Promise<boolean> {
    const filters = this.#removesByFilter ? planRemovals(selectors) : undefined;
    if (filters === undefined) return false;
    try {
      for (const filter of filters) await socket.request(removeFlowsRequest(filter));
      return true;
    } catch (error) {
      if (!isUnsupported(error)) throw error;
      this.#removesByFilter = false;
      return false;
    }
  }

  #open(): NetlinkSocket | undefined {
    try {
      this.#socket ??= new NetlinkSocket(netlinkProtocol.netfilter);
    } catch (error) {
      if (isUnsupported(error)) return undefined;
      throw error;
    }
    return this.#socket;
  }
}

async function list(socket: NetlinkSocket, filter: FlowFilter): Promise<Flow[]> {
  try {
    const replies = await socket.request(listFlowsRequest(filter));
    return replies.flatMap(({ type, body }) => parseFlow(type, body) ?? []);
  } catch (error) {
    if (!isUnsupported(error)) throw error;
    return filter.kind === 'all' ? [] : list(socket, { kind: 'all' });
  }
}

async function forget(socket: NetlinkSocket, flow: Flow): Promise<void> {
  try {
    await socket.request(deleteFlowRequest(flow));
  } catch (error) {
    // It ended by itself meanwhile.
    if (!(error instanceof NetlinkError && error.code === 'ENOENT')) throw error;
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
