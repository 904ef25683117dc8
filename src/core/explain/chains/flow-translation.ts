/** Packets of a flow that was there before: the translations that its first packet got. */
import type { Packet, Tuple } from '../packet.js';
import type { Manipulation } from './targets.js';

/**
 * Translates a packet of a known flow as the kernel's `nf_nat_packet` does: where packets of the flow's direction get a new
 * destination, answers get their old source back, and the other way round. Answers with the packet unchanged if it is not
 * known what its flow is translated to.
 */
export function translatedBy(packet: Packet, manipulation: Manipulation): Packet {
  const { flow } = packet;
  if (typeof flow === 'string' || flow.answer === undefined) return packet;
  const { original, answer } = flow;
  const isAnswer = flow.direction === 'reply';
  const translates =
    (manipulation === 'source') === isAnswer ? flow.destinationTranslated : flow.sourceTranslated;
  if (!translates) return packet;
  // Where the other direction's packets come from, this direction's go to.
  const other = isAnswer ? original : answer;
  return manipulation === 'source'
    ? { ...packet, source: other.destination, sourcePort: other.destinationPort }
    : { ...packet, destination: other.source, destinationPort: other.sourcePort };
}

/** What answers a packet with this tuple. */
export function turned({ source, destination, sourcePort, destinationPort }: Tuple): Tuple {
  return {
    ...{ source: destination, destination: source },
    ...{ sourcePort: destinationPort, destinationPort: sourcePort },
  };
}
