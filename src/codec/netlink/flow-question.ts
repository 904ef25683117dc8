/** A question for one tracked flow, by the addresses of a packet, as ctnetlink bytes; and its answer as a value. */
import { addressBytes, addressFromBytes, type Family, familyNumber } from '../../core/address.js';
import type { Flow, Packet, Tuple } from '../../core/explain/packet.js';
import {
  type Attributes,
  attribute,
  flag,
  type NetlinkRequest,
  nested,
  readAttributes,
  readNested,
  u8,
  u16Be,
} from './netlink-message.js';

/** IPCTNL_MSG_CT_NEW and _GET of NFNL_SUBSYS_CTNETLINK (linux/netfilter/nfnetlink_conntrack.h). */
const message = { new: 0x100, get: 0x101 } as const;
const cta = { original: 1, reply: 2, status: 3, mark: 8 } as const;
const tuplePart = { ip: 1, protocol: 2 } as const;
const ipOf = { 4: { source: 1, destination: 2 }, 6: { source: 3, destination: 4 } } as const;
const protocolPart = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
/** CTA_PROTO_ICMP_ID, _TYPE and _CODE, and those of ICMPv6. */
const echoPart = { 4: { id: 4, type: 5, code: 6 }, 6: { id: 7, type: 8, code: 9 } } as const;
/** IPS_… of linux/netfilter/nf_conntrack_common.h. */
const status = {
  ...{ expected: 1, seenReply: 2, assured: 4, confirmed: 8, source: 16, destination: 32 },
} as const;

export type FlowQuestion = Pick<Packet, 'family' | 'protocol' | 'icmp'> & Tuple;

/**
 * The kernel answers with the flow that has the tuple, in either direction, or with ENOENT. It looks it up by hash, and
 * walks no table.
 */
export function flowQuestion(asked: FlowQuestion): NetlinkRequest {
  const { family, protocol, icmp, source, destination } = asked;
  const of = ipOf[family];
  const parts = echoPart[family];
  const ports =
    icmp === undefined
      ? [
          attribute(protocolPart.sourcePort, u16Be(asked.sourcePort)),
          attribute(protocolPart.destinationPort, u16Be(asked.destinationPort)),
        ]
      : [
          attribute(parts.id, u16Be(asked.sourcePort)),
          attribute(parts.type, u8(icmp.type)),
          attribute(parts.code, u8(icmp.code)),
        ];
  const tuple = nested(
    cta.original,
    nested(
      tuplePart.ip,
      attribute(of.source, addressBytes(source)),
      attribute(of.destination, addressBytes(destination)),
    ),
    nested(tuplePart.protocol, attribute(protocolPart.number, u8(protocol)), ...ports),
  );
  const header = Buffer.from([familyNumber[family], 0, 0, 0]);
  return { type: message.get, flags: flag.ack, body: Buffer.concat([header, tuple]) };
}

/**
 * @returns the flow as a packet with the tuple of the question sees it: in its direction or as an answer; undefined:
 *   the message is not a whole flow
 */
export function readFlowAnswer(type: number, body: Buffer, asked: FlowQuestion): Flow | undefined {
  if (type !== message.new || body.length < 4) return undefined;
  const attributes = readAttributes(body.subarray(4));
  const original = readTuple(readNested(attributes, cta.original), asked.family);
  const answer = readTuple(readNested(attributes, cta.reply), asked.family);
  const bits = readU32Be(attributes, cta.status);
  if (original === undefined || answer === undefined) return undefined;
  const isOriginal =
    original.source === asked.source &&
    original.destination === asked.destination &&
    original.sourcePort === asked.sourcePort;
  const answered = (bits & status.seenReply) !== 0 || !isOriginal;
  const unanswered = (bits & status.expected) !== 0 ? 'related' : 'new';
  return {
    state: answered ? 'established' : unanswered,
    direction: isOriginal ? 'original' : 'reply',
    mark: readU32Be(attributes, cta.mark),
    ...{ original, answer },
    sourceTranslated: (bits & status.source) !== 0,
    destinationTranslated: (bits & status.destination) !== 0,
    confirmed: (bits & status.confirmed) !== 0,
    // Only a bit that is set is told: a flow without it may become assured by the very packet that is explained.
    ...((bits & status.assured) === 0 ? {} : { assured: true }),
  };
}

function readTuple(attributes: Attributes, family: Family): Tuple | undefined {
  const ip = readNested(attributes, tuplePart.ip);
  const [source, destination] = [ip.get(ipOf[family].source), ip.get(ipOf[family].destination)];
  if (source === undefined || destination === undefined) return undefined;
  const protocol = readNested(attributes, tuplePart.protocol);
  const port = (type: number) => protocol.get(type)?.readUInt16BE(0);
  return {
    source: addressFromBytes(source),
    destination: addressFromBytes(destination),
    sourcePort: port(protocolPart.sourcePort) ?? port(echoPart[family].id) ?? 0,
    destinationPort: port(protocolPart.destinationPort) ?? 0,
  };
}

function readU32Be(attributes: Attributes, type: number): number {
  const bytes = attributes.get(type);
  return bytes?.length === 4 ? bytes.readUInt32BE(0) : 0;
}
