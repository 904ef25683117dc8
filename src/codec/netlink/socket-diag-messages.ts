/** TCP connections of this host as sock_diag bytes (linux/inet_diag.h): listed, and ended. */
import { addressFromBytes, type Family, familyNumber, type IpAddress } from '../../core/address.js';
import { protocolNumber } from '../../core/ports/port.js';
import { flag, type NetlinkRequest } from './netlink-message.js';

/** SOCK_DIAG_BY_FAMILY, SOCK_DESTROY. */
const message = { list: 20, end: 21 } as const;
/** TCP_ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING: no listener is among them. */
const connected = [1, 4, 5, 8, 9, 11].reduce((bits, state) => bits | (1 << state), 0);
/** struct inet_diag_req_v2, and the offset of its struct inet_diag_sockid, which an answer has at another one. */
const requestBytes = 56;
const idAt = { request: 8, reply: 4 } as const;
const idBytes = 48;
const inId = { localPort: 0, peerPort: 2, local: 4, peer: 20 } as const;

export interface TcpConnection {
  readonly local: IpAddress;
  readonly localPort: number;
  readonly peer: IpAddress;
  readonly peerPort: number;
  /** As the kernel's table has it: a socket for both families has its IPv4 clients in that of IPv6. */
  readonly family: Family;
  /** What names this very socket to the kernel, with its cookie: never another one of the same addresses. */
  readonly id: Buffer;
}

export function listConnectionsRequest(family: Family): NetlinkRequest {
  return { type: message.list, flags: flag.dump, body: bodyOf(family) };
}

/** Ends the connection with a reset to its peer; its program gets ECONNABORTED. `ENOENT` or `ESTALE`: it has ended. */
export function endConnectionRequest({ family, id }: TcpConnection): NetlinkRequest {
  const body = bodyOf(family);
  id.copy(body, idAt.request);
  return { type: message.end, flags: flag.ack, body };
}

function bodyOf(family: Family): Buffer {
  const body = Buffer.alloc(requestBytes);
  body[0] = familyNumber[family];
  body[1] = protocolNumber.tcp;
  body.writeUInt32LE(connected, 4);
  return body;
}

/** Reads a connection; undefined for anything else. */
export function parseConnection(type: number, body: Buffer): TcpConnection | undefined {
  if (type !== message.list || body.length < idAt.reply + idBytes) return undefined;
  const family = ([4, 6] as const).find((each) => familyNumber[each] === body[0]);
  if (family === undefined) return undefined;
  const id = Buffer.from(body.subarray(idAt.reply, idAt.reply + idBytes));
  const addressAt = (offset: number): IpAddress =>
    plainAddress(id.subarray(offset, offset + (family === 4 ? 4 : 16)));
  return {
    family,
    id,
    local: addressAt(inId.local),
    localPort: id.readUInt16BE(inId.localPort),
    peer: addressAt(inId.peer),
    peerPort: id.readUInt16BE(inId.peerPort),
  };
}

/** An IPv4 address in the form of IPv6 (`::ffff:192.0.2.7`) as the IPv4 address that it is. */
function plainAddress(bytes: Buffer): IpAddress {
  const isMapped = bytes.length === 16 && bytes.subarray(0, mapped.length).equals(mapped);
  return addressFromBytes(isMapped ? bytes.subarray(mapped.length) : bytes);
}

const mapped = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
