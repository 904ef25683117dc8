/** Sockets and interfaces of a network namespace, as /proc/PID/net lists them (proc_pid_net(5)). */
import { addressFromBytes, type IpAddress } from '../core/address.js';
import type { Protocol } from '../core/ports/port.js';

/** A socket that takes what comes from anywhere: one that listens, or a UDP socket without a peer. */
export interface OpenSocket {
  readonly protocol: Protocol;
  readonly address: IpAddress;
  readonly port: number;
  /** By which /proc/PID/fd names it. */
  readonly inode: string;
}

/** TCP_LISTEN; UDP sockets without a peer have TCP_CLOSE. */
const takesAll: Readonly<Record<'tcp' | 'udp', string>> = { tcp: '0A', udp: '07' };

/** `text`: of the file tcp, tcp6, udp or udp6. */
export function parseSockets(protocol: 'tcp' | 'udp', text: string): OpenSocket[] {
  return text.split('\n').flatMap((line) => {
    const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
    const [address = '', port = ''] = local.split(':');
    if (state !== takesAll[protocol] || !/^(?:[0-9A-F]{8}|[0-9A-F]{32})$/.test(address)) return [];
    return [{ protocol, address: hexAddress(address), port: Number.parseInt(port, 16), inode }];
  });
}

/** Words of 32 bits, each in the byte order of the machine, which is little-endian. */
function hexAddress(hex: string): IpAddress {
  const bytes = Buffer.from(hex, 'hex');
  for (let start = 0; start < bytes.length; start += 4) bytes.subarray(start, start + 4).reverse();
  return addressFromBytes(bytes);
}

/** `text` of the file sctp/eps: endpoints, which are always open; with the local addresses at the end. */
export function parseSctpEndpoints(text: string): OpenSocket[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      // ENDPT SOCK STY SST HBKT LPORT UID INODE LADDRS
      const [, , , , , port = '', , inode = '', ...addresses] = line.trim().split(/\s+/);
      return addresses.map((address) => ({
        protocol: 'sctp' as const,
        address: address as IpAddress,
        port: Number(port),
        inode,
      }));
    });
}

/** Index → name, from the files igmp (IPv4) and if_inet6; together they have every interface that is up. */
export function parseInterfaceNames(igmp: string, inet6: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const [, index, name = ''] of igmp.matchAll(/^(\d+)\s+(\S+)\s*:/gm)) {
    names.set(Number(index), name);
  }
  for (const [, index = '', name = ''] of inet6.matchAll(/^[0-9a-f]{32} ([0-9a-f]+) .* (\S+)$/gm)) {
    names.set(Number.parseInt(index, 16), name);
  }
  return names;
}
