/** The entry that connection tracking has for a packet, by one question to the kernel: its table is never listed. */
import { flowQuestion, readFlowAnswer } from '../../codec/netlink/flow-question.js';
import type { Flow, Packet } from '../../core/explain/packet.js';
import { NetlinkError } from '../netlink/socket/netlink-error.js';
import { NetlinkSocket, netlinkProtocol } from '../netlink/socket/netlink-socket.js';

/** ENOENT: there is none. The others: the kernel tracks nothing, has no netlink for it, or does not track the protocol. */
const noFlow: ReadonlySet<string> = new Set([
  ...['ENOENT', 'EPROTONOSUPPORT', 'EOPNOTSUPP', 'ENOTSUP', 'EINVAL'],
]);

/** undefined: a packet with these addresses and ports begins a flow. @throws {NetlinkError} */
export async function knownFlow(packet: Packet): Promise<Flow | undefined> {
  const socket = new NetlinkSocket(netlinkProtocol.netfilter);
  try {
    const [reply] = await socket.request(flowQuestion(packet));
    return reply && readFlowAnswer(reply.type, reply.body, packet);
  } catch (error) {
    if (error instanceof NetlinkError && noFlow.has(error.code)) return undefined;
    throw error;
  } finally {
    socket.close();
  }
}
