/** Makes the packet with which a simulated packet is answered when it has arrived. */
import { turned } from './chains/flow-translation.js';
import type { Flow, Packet, Tuple } from './packet.js';
import type { Journey } from './path/journey.js';

/** The type of ICMP message that answers an echo, by its own. */
const echoAnswers: Readonly<Record<number, number>> = { 8: 0, 128: 129 };

/**
 * The packet that answers one which has come to its end: TCP's SYN and ACK, an echo's answer. undefined: nothing
 * answers, since the packet did not arrive or connection tracking does not know it.
 */
export function answerTo({ end, packet }: Pick<Journey, 'end' | 'packet'>): Packet | undefined {
  if ((end.kind !== 'sent' && end.kind !== 'host') || packet.flow === 'none') return undefined;
  const { flow, outInterface: _, inInterface: __, known: ___, uid: ____, ...rest } = packet;
  const answer = turned(packet);
  const isTcp = packet.protocol === 6;
  const type = packet.icmp && echoAnswers[packet.icmp.type];
  const known = flow === 'untracked' ? undefined : answeredFlow(flow, answer);
  return {
    ...rest,
    ...answer,
    // Echoes have their number where others have the source's port.
    ...(packet.icmp === undefined ? {} : { sourcePort: packet.sourcePort, destinationPort: 0 }),
    ...(type === undefined ? {} : { icmp: { type, code: 0 } }),
    ...(isTcp ? { tcpFlags: 18 } : {}),
    ...{ ttl: 64, mark: 0, flow: 'none' },
    ...(known === undefined ? {} : { known }),
    ...(end.kind === 'sent' ? { inInterface: end.outInterface } : {}),
  };
}

/** The flow as connection tracking has it for the answer. The first answer does not make a flow assured yet. */
function answeredFlow(flow: Flow, answer: Tuple): Flow {
  const { assured, ...rest } = flow;
  const still = flow.state === 'established' ? assured : false;
  return {
    ...rest,
    ...{ state: 'established', direction: 'reply', confirmed: true, answer },
    ...(still === undefined ? {} : { assured: still }),
  };
}
