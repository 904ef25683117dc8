/** The packet that is followed in thought: what rules can see of it, and of the flow it belongs to. */
import type { Family, IpAddress } from '../address.js';

/** IANA numbers of the protocols that rules know by name. */
export const ipProtocols = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  dccp: 33,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  sctp: 132,
  udplite: 136,
} as const;

/** Bits of the TCP header's flags. */
export const tcpFlags = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16, URG: 32 } as const;

/** Addresses and ports of one direction. Protocols without ports have 0. */
export interface Tuple {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export const flowStates = ['new', 'established', 'related'] as const;
export type FlowState = (typeof flowStates)[number];

/** What connection tracking knows of the flow. */
export interface Flow {
  readonly state: FlowState;
  readonly direction: 'original' | 'reply';
  /** 0 to 2^32 - 1; of a new flow 0. */
  readonly mark: number;
  /** Before any translation, in the direction of the flow's first packet. */
  readonly original: Tuple;
  /**
   * Addresses and ports with which answers come, which follow from all translations; absent: the packet has not passed
   * all of them.
   */
  readonly answer?: Tuple;
  /** Set as soon as a rule has changed the source or the destination, not if it changed them to what they were. */
  readonly sourceTranslated: boolean;
  readonly destinationTranslated: boolean;
  /** The flow's first packet has passed the last hook. */
  readonly confirmed: boolean;
  /** IPS_ASSURED: packets have passed in both directions for a while; absent: nobody can say. */
  readonly assured?: boolean;
}

export interface Packet extends Tuple {
  readonly family: Family;
  /** IANA number. */
  readonly protocol: number;
  readonly icmp?: { readonly type: number; readonly code: number };
  /** Bits of {@link tcpFlags}. */
  readonly tcpFlags: number;
  /** Bytes, with the IP header. */
  readonly length: number;
  /** Time to live, or hop limit. */
  readonly ttl: number;
  /** The byte of type of service, or traffic class. */
  readonly tos: number;
  /** 0 to 2^32 - 1. */
  readonly mark: number;
  /** Absent: a program on the host sends it. */
  readonly inInterface?: string;
  /** Absent until it is routed. */
  readonly outInterface?: string;
  /** It is a frame that a bridge passes from one of its ports to another; br_netfilter shows it to the rules. */
  readonly bridged?: true;
  /** User id of the program on the host that sends it, if that is known. */
  readonly uid?: number;
  /**
   * `none`: connection tracking has not looked at the packet yet (table raw), or calls it invalid.
   * `untracked`: a rule has said NOTRACK.
   */
  readonly flow: Flow | 'none' | 'untracked';
  /**
   * The entry that connection tracking has for the packet already, when it comes to look; absent: it has none;
   * `unknown`: nobody can say whether it has one.
   */
  readonly known?: Flow | 'unknown';
}

/** What a question has to say of a packet; the rest is assumed as {@link firstPacket} does. */
export type PacketInput = Pick<Packet, 'family' | 'protocol'> &
  Tuple &
  Partial<
    Pick<Packet, 'icmp' | 'tcpFlags' | 'length' | 'ttl' | 'tos' | 'mark' | 'inInterface' | 'uid'>
  >;

/** The first packet of a flow: for TCP a SYN. 64 hops, 60 bytes, no mark, no fragment. */
export function firstPacket(input: PacketInput): Packet {
  return {
    tcpFlags: input.protocol === ipProtocols.tcp ? tcpFlags.SYN : 0,
    length: 60,
    ttl: 64,
    tos: 0,
    mark: 0,
    ...input,
    flow: 'none',
  };
}

/**
 * Whether connection tracking makes an entry for a packet that it has not seen before; otherwise it calls the
 * packet invalid. As the kernel's nf_conntrack_proto_tcp (with nf_conntrack_tcp_loose, its default) and
 * nf_conntrack_proto_icmp.
 */
export function beginsFlow({ protocol, tcpFlags: flags, icmp }: Packet): boolean {
  if (protocol === ipProtocols.tcp) {
    if ((flags & (tcpFlags.RST | tcpFlags.FIN)) !== 0) return false;
    const synchronizes = (flags & tcpFlags.SYN) !== 0;
    return synchronizes !== ((flags & tcpFlags.ACK) !== 0);
  }
  if (protocol === ipProtocols.icmp) return icmpQuestions.has(icmp?.type ?? -1);
  return protocol !== ipProtocols.icmpv6 || icmp6Questions.has(icmp?.type ?? -1);
}
/** Echo, timestamp, information, address mask. */
const icmpQuestions: ReadonlySet<number> = new Set([8, 13, 15, 17]);
/** Echo, node information. */
const icmp6Questions: ReadonlySet<number> = new Set([128, 139]);

/** The entry that connection tracking makes for a packet that it has not seen before. */
export function newFlow({ source, destination, sourcePort, destinationPort }: Tuple): Flow {
  return {
    state: 'new',
    direction: 'original',
    mark: 0,
    original: { source, destination, sourcePort, destinationPort },
    sourceTranslated: false,
    destinationTranslated: false,
    confirmed: false,
    assured: false,
  };
}

/** Whether its header has ports. */
export function hasPorts(protocol: number): boolean {
  return (portProtocols as readonly number[]).includes(protocol);
}
const portProtocols = [
  ipProtocols.tcp,
  ipProtocols.udp,
  ipProtocols.dccp,
  ipProtocols.sctp,
  ipProtocols.udplite,
];
