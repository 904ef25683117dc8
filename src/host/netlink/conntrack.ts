/**
 * Forgets tracked connections, by ctnetlink. A flow keeps the translation that the kernel chose for its
 * first packet: a UDP client that goes on sending would reach the former container, or none, for as long as
 * it sends.
 */
import { readFileSync } from 'node:fs';
import {
  deleteFlowRequest,
  type Flow,
  type FlowFilter,
  listFlowsRequest,
  type NarrowFilter,
  parseFlow,
  removeFlowsRequest,
} from '../../codec/netlink/conntrack-messages.js';
import { messagesIn, type NetlinkRequest } from '../../codec/netlink/netlink-message.js';
import type { Family, IpAddress } from '../../core/address.js';
import { codeOf, DriverError, messageOf } from '../../core/errors.js';
import type { Port } from '../../core/ports/port.js';
import type { Conntrack } from '../../driver/host.js';
import {
  datagramMatcher,
  type FlowSelector,
  flowMatcher,
  planDumps,
  planRemovals,
} from './flow-selection.js';
import { readDump } from './socket/dump.js';
import { netlinkProtocol } from './socket/netlink-socket.js';
import { mostRequests, RequestBatches } from './socket/request-batch.js';
import { SharedRuns } from './socket/shared-runs.js';

/**
 * Why flows are forgotten: a host port gets another owner, or none; rules of a port came later than its flows; a
 * container's address is given back.
 */
export type DeletionReason = 'port' | 'rules' | 'container';
export const deletionReasons: readonly DeletionReason[] = ['port', 'rules', 'container'];

/**
 * Deletions that the kernel was asked for since the start: of single flows, and of all flows that match a filter, of
 * which it does not say how many there were.
 */
export interface Deletions {
  flows: number;
  filters: number;
}

interface Removal {
  readonly why: DeletionReason;
  readonly selector: FlowSelector;
}

const countFile = '/proc/sys/net/netfilter/nf_conntrack_count';
/** Errors of a kernel without connection tracking, or without its netlink part. */
const unsupported = ['EPROTONOSUPPORT', 'EOPNOTSUPP', 'ENOTSUP', 'EINVAL'];

/**
 * Where the kernel can, it removes flows by a filter. Others are read from a dump and removed while the dump
 * goes on: the table is never held in memory, and the event loop has its turn after each datagram, however
 * many flows clients have made. Calls in the same turn of the event loop, and those that arrive while others
 * are worked on, share one dump, whose cost is the kernel's walk through its table.
 */
export class ConntrackNetlink implements Conntrack {
  readonly #runs = new SharedRuns<readonly Removal[]>(async (calls) => {
    try {
      await this.#removeFlows(calls.flat());
      return new Map();
    } catch (cause) {
      const message = `forgetting the tracked connections of containers: ${messageOf(cause)}`;
      throw new DriverError('firewall-failed', message, { cause });
    }
  });
  #removesByFilter: boolean;
  readonly #deletions: Readonly<Record<DeletionReason, Deletions>> = {
    port: { flows: 0, filters: 0 },
    rules: { flows: 0, filters: 0 },
    container: { flows: 0, filters: 0 },
  };

  /** @param removesByFilter false: as with kernels before 6.11; for tests */
  constructor(removesByFilter = true) {
    this.#removesByFilter = removesByFilter;
  }

  get deletions(): Readonly<Record<DeletionReason, Readonly<Deletions>>> {
    return this.#deletions;
  }

  /** As Docker 23 does when ports are published (docs/docker-bridge.md 3.9). */
  removeUdpFlowsTo(hostPorts: readonly { family: Family; port: Port }[]): Promise<void> {
    return this.#remove(
      'port',
      hostPorts.map(({ family, port }) => ({ kind: 'udp-to', family, port })),
    );
  }

  /** Flows in both directions: also those that an answer has begun. */
  removeUdpFlowsAt(hostPorts: readonly { family: Family; port: Port }[]): Promise<void> {
    const kinds = ['udp-to', 'udp-from'] as const;
    const selectors = kinds.flatMap((kind) => hostPorts.map((port) => ({ kind, ...port })));
    return this.#remove('rules', selectors);
  }

  /** As Docker does when ports are revoked (docs/docker-bridge.md 3.9), for all protocols. */
  removeFlowsOf(containers: readonly IpAddress[]): Promise<void> {
    return this.#remove(
      'container',
      containers.map((address) => ({ kind: 'container', address })),
    );
  }

  #remove(why: DeletionReason, selectors: readonly FlowSelector[]): Promise<void> {
    if (selectors.length === 0) return Promise.resolve();
    return this.#runs.join(selectors.map((selector) => ({ why, selector })));
  }

  async #removeFlows(removals: readonly Removal[]): Promise<void> {
    const tracked = trackedFlows();
    if (tracked === 0) return;
    const deletions = openDeletions();
    if (deletions === undefined) return;
    try {
      const listed = await this.#removeByFilter(deletions, removals);
      const matchers = deletionReasons.map(
        (why) => [why, flowMatcher(selectorsFor(listed, why))] as const,
      );
      const selection: Selection = {
        mayMatch: datagramMatcher(selectorsOf(listed)),
        // Each flow is deleted, and counted, once.
        take: (flow) => {
          const why = matchers.find(([, matches]) => matches(flow))?.[0];
          if (why !== undefined) this.#deletions[why].flows += 1;
          return why !== undefined;
        },
      };
      for (const filter of planDumps(selectorsOf(listed), tracked)) {
        await removeListed(deletions, filter, selection);
      }
    } finally {
      deletions.close();
    }
  }

  /** @returns the flows that are left for a dump, since the kernel cannot filter for them */
  async #removeByFilter(
    deletions: RequestBatches,
    removals: readonly Removal[],
  ): Promise<readonly Removal[]> {
    if (!this.#removesByFilter) return removals;
    const plan = planRemovals(selectorsOf(removals));
    if (plan.removals.length === 0) return removals;
    try {
      // One by one: an older kernel refuses the first, and each may take long, since it can remove many flows.
      for (const why of deletionReasons) {
        for (const filter of planRemovals(selectorsFor(removals, why)).removals) {
          await deletions.send([removeFlowsRequest(filter)], []);
          this.#deletions[why].filters += 1;
        }
      }
      const left = new Set(plan.listed);
      return removals.filter(({ selector }) => left.has(selector));
    } catch (error) {
      if (!isUnsupported(error)) throw error;
      this.#removesByFilter = false;
      return removals;
    }
  }
}

const selectorsOf = (removals: readonly Removal[]): FlowSelector[] =>
  removals.map(({ selector }) => selector);

const selectorsFor = (removals: readonly Removal[], why: DeletionReason): FlowSelector[] =>
  selectorsOf(removals.filter((removal) => removal.why === why));

/** Which flows of a dump are deleted. */
interface Selection {
  /** Whether the bytes of a datagram can be of such a flow. */
  mayMatch(datagram: Buffer): boolean;
  /** Whether the flow is deleted. */
  take(flow: Flow): boolean;
}

async function removeListed(
  deletions: RequestBatches,
  filter: FlowFilter,
  selection: Selection,
): Promise<void> {
  const read = async (datagram: Buffer): Promise<void> => {
    if (!selection.mayMatch(datagram)) return;
    let requests: NetlinkRequest[] = [];
    for (const { type, start, end } of messagesIn(datagram)) {
      const flow = parseFlow(type, datagram.subarray(start, end));
      if (flow === undefined || !selection.take(flow)) continue;
      requests.push(deleteFlowRequest(flow));
      if (requests.length < mostRequests) continue;
      await deletions.send(requests, endedMeanwhile);
      requests = [];
    }
    await deletions.send(requests, endedMeanwhile);
  };
  try {
    await readDump(netlinkProtocol.netfilter, listFlowsRequest(filter), read);
  } catch (error) {
    if (!isUnsupported(error) || filter.kind === 'family') throw error;
    const whole = { kind: 'family', family: familyOfFilter(filter) } as const;
    await removeListed(deletions, whole, selection);
  }
}

function familyOfFilter(filter: NarrowFilter): Family {
  return 'family' in filter ? filter.family : 4;
}

/** The error for a flow that has ended by itself. */
const endedMeanwhile = ['ENOENT'];

function openDeletions(): RequestBatches | undefined {
  try {
    return new RequestBatches(netlinkProtocol.netfilter);
  } catch (error) {
    if (isUnsupported(error)) return undefined;
    throw error;
  }
}

export function isUnsupported(error: unknown): boolean {
  return unsupported.includes(String(codeOf(error)));
}

/** How many flows the kernel tracks in this namespace; 0 also if it does not track. */
export function trackedFlows(): number {
  try {
    return Number(readFileSync(countFile, 'utf8'));
  } catch {
    return 0;
  }
}
