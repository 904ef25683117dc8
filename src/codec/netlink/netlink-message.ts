/**
 * Netlink messages and attributes as bytes (linux/netlink.h), without a socket.
 *
 * Numbers are in host order, written here as little-endian: x64 and arm64 are. `…Be` is network order, which
 * some attributes of netfilter use on every machine.
 */

/** nlmsg_flags. */
export const flag = {
  request: 0x1,
  ack: 0x4,
  dumpInterrupted: 0x10,
  /** On a reply: another message of the same dump follows. */
  multi: 0x2,
  dump: 0x300,
  /** On a NEW request. */
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
  /** The kernel answers with what it has made. */
  echo: 0x8,
} as const;

/** Message types that every netlink protocol has. */
export const controlType = { error: 2, done: 3 } as const;

export const headerLength = 16;
/** nla_type without the bits that say "nested" and "network byte order". */
const typeMask = 0x3fff;
const nestedBit = 0x8000;

/** A request without its header's sequence number and port, which the socket adds. */
export interface NetlinkRequest {
  readonly type: number;
  /** NLM_F_REQUEST is added by the socket. */
  readonly flags: number;
  readonly body: Buffer;
}

export interface NetlinkFrame {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: Buffer;
}

export type Attributes = ReadonlyMap<number, Buffer>;

/** Attributes and messages begin at multiples of four bytes. */
export const align = (length: number): number => (length + 3) & ~3;

/** struct nlattr: `length` counts these four bytes, and no padding. */
export function headerOfAttribute(type: number, length: number): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt16LE(length, 0);
  header.writeUInt16LE(type, 2);
  return header;
}

export function u8(value: number): Buffer {
  return Buffer.from([value]);
}

export function u16Be(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function u32Be(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function u64Be(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** UTF-8 with a zero byte at the end, as the kernel requires. */
export function text(value: string): Buffer {
  return Buffer.from(`${value}\0`);
}

/** One attribute, padded to four bytes. */
export function attribute(type: number, value: Uint8Array): Buffer {
  const bytes = Buffer.alloc(align(4 + value.length));
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.set(value, 4);
  return bytes;
}

/** An attribute made of attributes, marked as nested: strict parsers of the kernel require it. */
export function nested(type: number, ...attributes: readonly Uint8Array[]): Buffer {
  return attribute(type | nestedBit, Buffer.concat(attributes));
}

/** An attribute made of attributes, without the mark: as `ip` writes IFLA_LINKINFO. */
export function group(type: number, ...attributes: readonly Uint8Array[]): Buffer {
  return attribute(type, Buffer.concat(attributes));
}

/**
 * The attributes in `bytes` by type; what is cut off at the end is left out.
 *
 * @param wanted the types to read: a link has 50 attributes, and reading all takes most of a dump's time
 */
export function readAttributes(bytes: Buffer, wanted?: ReadonlySet<number>): Attributes {
  const attributes = new Map<number, Buffer>();
  let offset = 0;
  while (offset + 4 <= bytes.length) {
    const length = bytes.readUInt16LE(offset);
    if (length < 4 || offset + length > bytes.length) break;
    const type = bytes.readUInt16LE(offset + 2) & typeMask;
    if (wanted === undefined || wanted.has(type)) {
      attributes.set(type, bytes.subarray(offset + 4, offset + length));
    }
    offset += align(length);
  }
  return attributes;
}

/** The values of a list of attributes, in order, whatever their types. */
export function readAttributeList(bytes: Buffer | undefined): Buffer[] {
  const values: Buffer[] = [];
  for (let offset = 0; bytes !== undefined && offset + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(offset);
    if (length < 4 || offset + length > bytes.length) break;
    values.push(bytes.subarray(offset + 4, offset + length));
    offset += align(length);
  }
  return values;
}

/** The attributes inside of attribute `type`; none if it is absent. */
export function readNested(attributes: Attributes, type: number): Attributes {
  const value = attributes.get(type);
  return value === undefined ? new Map() : readAttributes(value);
}

export function readU32(attributes: Attributes, type: number): number | undefined {
  const value = attributes.get(type);
  return value !== undefined && value.length >= 4 ? value.readUInt32LE(0) : undefined;
}

export function readU8(attributes: Attributes, type: number): number | undefined {
  return attributes.get(type)?.[0];
}

/** The text of an attribute, up to the first zero byte; undefined if it is absent. */
export function readText(attributes: Attributes, type: number): string | undefined {
  const value = attributes.get(type);
  if (value === undefined) return undefined;
  const end = value.indexOf(0);
  return value.toString('utf8', 0, end < 0 ? value.length : end);
}

/** The bytes of a whole message. Its port is 0: the kernel fills in the sender's own. */
export function formatRequest(request: NetlinkRequest, sequence: number): Buffer {
  const header = Buffer.alloc(headerLength);
  header.writeUInt32LE(headerLength + request.body.length, 0);
  header.writeUInt16LE(request.type, 4);
  header.writeUInt16LE(request.flags | flag.request, 6);
  header.writeUInt32LE(sequence, 8);
  return Buffer.concat([header, request.body]);
}

/** A message of a datagram; its body lies between `start` and `end`. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** The netlink port of who asked for it; of a report, of who made the change. */
  readonly portId: number;
  readonly start: number;
  readonly end: number;
}

/** The messages of one datagram; what is cut off at the end is left out. */
export function* messagesIn(datagram: Buffer): Generator<NetlinkMessage> {
  let offset = 0;
  while (offset + headerLength <= datagram.length) {
    const length = datagram.readUInt32LE(offset);
    if (length < headerLength || offset + length > datagram.length) break;
    yield {
      type: datagram.readUInt16LE(offset + 4),
      flags: datagram.readUInt16LE(offset + 6),
      sequence: datagram.readUInt32LE(offset + 8),
      portId: datagram.readUInt32LE(offset + 12),
      start: offset + headerLength,
      end: offset + length,
    };
    offset += align(length);
  }
}

/** As {@link messagesIn}, with their bodies. */
export function parseFrames(datagram: Buffer): NetlinkFrame[] {
  return Array.from(messagesIn(datagram), ({ type, flags, sequence, start, end }) => ({
    type,
    flags,
    sequence,
    body: datagram.subarray(start, end),
  }));
}

/** The errno (positive, 0 for success) in the body of an ERROR or DONE message. */
export function errnoOf(body: Buffer): number {
  return body.length >= 4 ? -body.readInt32LE(0) : 0;
}
