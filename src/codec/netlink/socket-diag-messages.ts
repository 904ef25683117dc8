/** Messages of sock_diag (linux/inet_diag.h) that list TCP connections of this host, and end them. */
import { addressFromBytes, type Family, familyNumber, type IpAddress } from '../../core/address.js';
import { protocolNumber } from '../../core/ports/port.js';
import { flag, type NetlinkRequest } from './netlink-message.js';

/** SOCK_DIAG_BY_FAMILY, SOCK_DESTROY. */
const message = { list: 20, end: 21 } as const;
/**
 * Bits of the states that are listed: TCP_ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING. Sockets
 * that listen are in none of them.
 */
const connected = [1, 4, 5, 8, 9, 11].reduce((bits, state) => bits | (1 << state), 0);
/**
 * Length of struct inet_diag_req_v2; offsets of struct inet_diag_sockid in it and in an answer (struct inet_diag_msg).
 */
const requestBytes = 56;
const idAt = { request: 8, reply: 4 } as const;
const idBytes = 48;
const inId = { localPort: 0, peerPort: 2, local: 4, peer: 20 } as const;

export interface TcpConnection {
  readonly local: IpAddress;
  readonly localPort: number;
  readonly peer: IpAddress;
  readonly peerPort: number;
  /**
   * Family of the socket. A socket for both families has its IPv4 clients as IPv6 connections; their addresses are IPv4
   * ones here.
   */
  readonly family: Family;
  /**
   * struct inet_diag_sockid. It has a cookie, so that it never names a later socket with the same addresses and ports.
   */
  readonly id: Buffer;
}

export function listConnectionsRequest(family: Family): NetlinkRequest {
  return { type: message.list, flags: flag.dump, body: bodyOf(family) };
}

/**
 * Ends the connection: the peer gets a reset, the program on this host ECONNABORTED. The kernel answers ENOENT or
 * ESTALE if the connection has ended already.
 */
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

/** The address; an IPv4-mapped one (`::ffff:192.0.2.7`) as the IPv4 address that is in it. */
function plainAddress(bytes: Buffer): IpAddress {
  const isMapped = bytes.length === 16 && bytes.subarray(0, mapped.length).equals(mapped);
  return addressFromBytes(isMapped ? bytes.subarray(mapped.length) : bytes);
}

const mapped = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
