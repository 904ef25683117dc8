/**
 * Reads the tracked UDP flows to given ports whose destination is translated. How much is read has a bound, whatever
 * the size of the kernel's table.
 */
import { readFile } from 'node:fs/promises';
import {
  listFlowsRequest,
  parseTranslatedFlow,
} from '../../../codec/netlink/conntrack-messages.js';
import { messagesIn } from '../../../codec/netlink/netlink-message.js';
import type { Family } from '../../../core/address.js';
import type { TranslatedFlow } from '../../../core/doctor/facts.js';
import type { Port } from '../../../core/ports/port.js';
import { planDumps } from '../../netlink/flow-selection.js';
import { readDump } from '../../netlink/socket/dump.js';
import { NetlinkError } from '../../netlink/socket/netlink-error.js';
import { netlinkProtocol } from '../../netlink/socket/netlink-socket.js';

/**
 * Most lists that the kernel is asked for: for each, also for a filtered one, it walks its whole table, which takes 3
 * to 11 ms for 262,144 buckets (Linux 6.18).
 */
const mostLists = 16;
/** Most flows of one list: to read them takes about 50 ms. */
const mostFlows = 20_000;
/** Errors of a kernel without connection tracking, or without its netlink interface: there are no flows. */
const untracked: ReadonlySet<string> = new Set(['EPROTONOSUPPORT', 'EOPNOTSUPP', 'ENOTSUP']);

export interface FlowPort {
  readonly family: Family;
  readonly port: Port;
}

/** @throws {Error} if there are more flows than are read */
export async function readTranslatedFlows(ports: readonly FlowPort[]): Promise<TranslatedFlow[]> {
  const texts = new Map(ports.map((each) => [`${each.family} ${each.port}`, each]));
  const tracked = Number(
    await readFile('/proc/sys/net/netfilter/nf_conntrack_count', 'utf8').catch(() => '0'),
  );
  if (tracked === 0 || texts.size === 0) return [];
  const selectors = [...texts.values()].map((each) => ({ kind: 'udp-to', ...each }) as const);
  const lists = planDumps(selectors, tracked);
  const isWhole = lists.some(({ kind }) => kind === 'family');
  if (lists.length > mostLists || (isWhole && tracked > mostFlows)) {
    throw new Error(`connection tracking has ${tracked} entries: too many to look at each`);
  }
  const found: TranslatedFlow[] = [];
  for (const filter of lists) {
    let read = 0;
    try {
      await readDump(netlinkProtocol.netfilter, listFlowsRequest(filter), (datagram) => {
        for (const { type, start, end } of messagesIn(datagram)) {
          read += 1;
          const flow = parseTranslatedFlow(type, datagram.subarray(start, end));
          if (flow !== undefined) found.push(flow);
        }
        // Kernels before 5.8 list all flows, whatever the filter.
        if (read > mostFlows) throw new Error(`there are more than ${mostFlows} flows to look at`);
      });
    } catch (error) {
      if (!(error instanceof NetlinkError) || !untracked.has(error.code)) throw error;
    }
  }
  return found;
}
