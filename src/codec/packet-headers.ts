/** Reads addresses, protocol, ports and TCP's flags from the first bytes of an IPv4 (RFC 791) or IPv6 (RFC 8200) packet. */
import { addressFromBytes } from '../core/address.js';
import { hasPorts, ipProtocols } from '../core/explain/packet.js';
import type { PacketHeaders } from '../core/trace/event.js';

/**
 * @param network the bytes from the IP header on
 * @param transport the bytes from the transport header on; absent or cut off: ports are 0
 * @returns undefined if it is no IP packet or its header is cut off. Headers behind IPv6's extension headers are not read
 */
export function readHeaders(
  network: Buffer | undefined,
  transport: Buffer | undefined,
): PacketHeaders | undefined {
  const version = (network?.[0] ?? 0) >> 4;
  if (network === undefined || network.length < (version === 4 ? 20 : 40)) return undefined;
  if (version !== 4 && version !== 6) return undefined;
  const protocol = network[version === 4 ? 9 : 6] ?? 0;
  const addresses =
    version === 4
      ? { source: network.subarray(12, 16), destination: network.subarray(16, 20) }
      : { source: network.subarray(8, 24), destination: network.subarray(24, 40) };
  const ported = hasPorts(protocol) && transport !== undefined && transport.length >= 4;
  return {
    family: version,
    protocol,
    source: addressFromBytes(addresses.source),
    destination: addressFromBytes(addresses.destination),
    sourcePort: ported ? transport.readUInt16BE(0) : 0,
    destinationPort: ported ? transport.readUInt16BE(2) : 0,
    tcpFlags: (protocol === ipProtocols.tcp ? transport?.[13] : undefined) ?? 0,
  };
}
