/** Counters of all links of the namespace that the calling thread is in. */
import {
  type LinkCounters,
  listCountersRequest,
  parseCounters,
} from '../../codec/netlink/link-counters.js';
import { collectDump } from '../netlink/socket/dump.js';
import { netlinkProtocol } from '../netlink/socket/netlink-socket.js';

/** The counters by the names of the links. */
export async function readLinkCounters(): Promise<Map<string, LinkCounters>> {
  const links = await collectDump(netlinkProtocol.route, listCountersRequest(), parseCounters);
  return new Map(links.map((link) => [link.name, link]));
}
