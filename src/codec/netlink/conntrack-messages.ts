/** Requests for tracked connections as ctnetlink bytes (linux/netfilter/nfnetlink_conntrack.h). */
import {
  addressBytes,
  addressFromBytes,
  type Family,
  familyNumber,
  familyOfNumber,
  type IpAddress,
  type Ipv4Address,
} from '../../core/address.js';
import type { TranslatedFlow } from '../../core/doctor/facts.js';
import type { TrackedFlow } from '../../core/generations/own-options/refused-flows.js';
import { type Port, protocolNumber } from '../../core/ports/port.js';
import {
  type Attributes,
  attribute,
  flag,
  type NetlinkRequest,
  nested,
  readAttributes,
  readNested,
  readU8,
  u8,
  u16Be,
  u32,
} from './netlink-message.js';

/** NFNL_SUBSYS_CTNETLINK in the high byte. */
const message = { new: 0x100, get: 0x101, delete: 0x102 } as const;
const cta = { original: 1, reply: 2, id: 12, zone: 18, filter: 25 } as const;
const tuple = { ip: 1, protocol: 2 } as const;
const ipOf = {
  4: { source: 1, destination: 2 },
  6: { source: 3, destination: 4 },
} as const;
const protocolPart = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
const filterPart = { original: 1, reply: 2 } as const;
/** CTA_FILTER_F_…: which parts of the tuple the kernel compares. */
const compare = {
  source: 1,
  destination: 2,
  protocol: 8,
  sourcePort: 16,
  destinationPort: 32,
} as const;

/** Which flows a dump should contain. Kernels before 5.8 ignore it and send the whole family. */
export type FlowFilter = { readonly kind: 'family'; readonly family: Family } | NarrowFilter;

export type NarrowFilter =
  /** UDP flows whose first packet was addressed to this port, or sent from it. */
  | { readonly kind: 'udp-to' | 'udp-from'; readonly family: Family; readonly port: Port }
  /** Compares the tuple of the replies: it has the container's own address, whatever NAT did. */
  | { readonly kind: 'reply-source' | 'reply-destination'; readonly address: Ipv4Address };

export interface Flow extends TrackedFlow {
  /** What names the flow to the kernel: its tuple, zone and id, as received. */
  readonly key: Buffer;
}

/** struct nfgenmsg. */
function header(family: Family): Buffer {
  return Buffer.from([familyNumber[family], 0, 0, 0]);
}

export function listFlowsRequest(filter: FlowFilter): NetlinkRequest {
  return { type: message.get, flags: flag.dump, body: Buffer.concat(filterParts(filter)) };
}

/**
 * Removes the flows in the kernel, without a list of them (seen on Linux 6.18). Kernels that cannot
 * refuse it (`EOPNOTSUPP`, and before 5.8 `EINVAL`, since the tuple is not a whole one).
 */
export function removeFlowsRequest(filter: NarrowFilter): NetlinkRequest {
  return { type: message.delete, flags: flag.ack, body: Buffer.concat(filterParts(filter)) };
}

function filterParts(filter: FlowFilter): Buffer[] {
  switch (filter.kind) {
    case 'family':
      return [header(filter.family)];
    case 'udp-to':
    case 'udp-from': {
      const side = filter.kind === 'udp-to' ? 'destinationPort' : 'sourcePort';
      const protocol = attribute(protocolPart.number, u8(protocolNumber.udp));
      const port = attribute(protocolPart[side], u16Be(filter.port));
      const flags = u32(compare.protocol | compare[side]);
      return [
        header(filter.family),
        nested(cta.original, nested(tuple.protocol, protocol, port)),
        nested(cta.filter, attribute(filterPart.original, flags)),
      ];
    }
    case 'reply-source':
    case 'reply-destination': {
      const side = filter.kind === 'reply-source' ? 'source' : 'destination';
      const address = attribute(ipOf[4][side], addressBytes(filter.address));
      return [
        header(4),
        nested(cta.reply, nested(tuple.ip, address)),
        nested(cta.filter, attribute(filterPart.reply, u32(compare[side]))),
      ];
    }
  }
}

/** The kernel answers only if it fails. */
export function deleteFlowRequest(flow: Flow): NetlinkRequest {
  const body = Buffer.concat([header(flow.family), flow.key]);
  return { type: message.delete, flags: 0, body };
}

/** Reads a flow; undefined for anything but a flow of IPv4 or IPv6 with both of its tuples. */
export function parseFlow(type: number, body: Buffer): Flow | undefined {
  if (type !== message.new || body.length < 4) return undefined;
  const family = familyOfNumber(body[0]);
  if (family === undefined) return undefined;
  const attributes = readAttributes(body.subarray(4));
  const original = readNested(attributes, cta.original);
  const addresses = readNested(original, tuple.ip);
  const replied = readNested(attributes, cta.reply);
  const reply = readNested(replied, tuple.ip);
  const protocol = readNested(original, tuple.protocol);
  const number = readU8(protocol, protocolPart.number);
  const source = readIp(addresses, ipOf[family].source);
  const destination = readIp(addresses, ipOf[family].destination);
  const replySource = readIp(reply, ipOf[family].source);
  const replyDestination = readIp(reply, ipOf[family].destination);
  if (number === undefined || source === undefined || destination === undefined) return undefined;
  if (replySource === undefined || replyDestination === undefined) return undefined;
  return {
    family,
    protocol: number,
    source,
    destination,
    sourcePort: readPort(protocol, protocolPart.sourcePort),
    destinationPort: readPort(protocol, protocolPart.destinationPort),
    replySource,
    replySourcePort: readPort(readNested(replied, tuple.protocol), protocolPart.sourcePort),
    replyDestination,
    key: Buffer.concat([
      nested(cta.original, attributes.get(cta.original) ?? Buffer.alloc(0)),
      ...copied(attributes, cta.id),
      ...copied(attributes, cta.zone),
    ]),
  };
}

/** Reads a UDP flow whose destination is translated to another address; undefined for any other message. */
export function parseTranslatedFlow(type: number, body: Buffer): TranslatedFlow | undefined {
  const flow = parseFlow(type, body);
  if (flow?.protocol !== protocolNumber.udp || flow.destinationPort === undefined) return undefined;
  const original = readNested(readAttributes(body.subarray(4)), cta.original);
  const ip = readNested(original, tuple.ip);
  const source = readIp(ip, ipOf[flow.family].source);
  const destination = readIp(ip, ipOf[flow.family].destination);
  if (source === undefined || destination === undefined) return undefined;
  const { destinationPort: port, replySource: to } = flow;
  return destination === to ? undefined : { source, destination, port, to };
}

function readPort(attributes: Attributes, type: number): number | undefined {
  const bytes = attributes.get(type);
  return bytes?.length === 2 ? bytes.readUInt16BE(0) : undefined;
}

function readIp(attributes: Attributes, type: number): IpAddress | undefined {
  const bytes = attributes.get(type);
  return bytes?.length === 4 || bytes?.length === 16 ? addressFromBytes(bytes) : undefined;
}

function copied(attributes: Attributes, type: number): Buffer[] {
  const value = attributes.get(type);
  return value === undefined ? [] : [attribute(type, value)];
}
