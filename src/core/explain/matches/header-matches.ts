/** Matches that look at nothing but the packet's headers. */
import {
  bits,
  entryOf,
  inAddressRange,
  inNetwork,
  inRanges,
  readMasked,
  readNumber,
  readRange,
} from '../chains/options.js';
import { hasPorts, ipProtocols, tcpFlags } from '../packet.js';
import { some, type Truth } from '../truth.js';
import { always, eachOption, type Match, type OptionMatch } from './match.js';

/** Names that iptables-save prints and that are not the kernel's own. */
const otherNames: Readonly<Record<string, number>> = {
  'ipv6-icmp': ipProtocols.icmpv6,
  'ipv6-nonxt': 59,
  ipencap: 4,
  ipip: 4,
  ipv6: 41,
  ospf: 89,
  vrrp: 112,
  pim: 103,
  mh: 135,
};

/** IANA number; 0 is every protocol; undefined for a name that is not known. */
function protocolNumber(word: string): number | undefined {
  if (/^\d{1,3}$/.test(word)) return Number(word);
  if (word === 'all') return 0;
  return entryOf<number>(ipProtocols, word) ?? entryOf(otherNames, word);
}

/** An interface of a rule against the packet's, which may have none; `+` at the end stands for any rest. */
export function sameInterface(pattern: string, name: string | undefined): boolean {
  if (pattern.endsWith('+')) return (name ?? '').startsWith(pattern.slice(0, -1));
  return pattern === (name ?? '');
}

/** What needs no `-m`. */
export const basic: Match = eachOption({
  '-s': ([value = ''], { family, source }) => inNetwork(value, family, source),
  '-d': ([value = ''], { family, destination }) => inNetwork(value, family, destination),
  '-i': ([value = ''], { inInterface }) => sameInterface(value, inInterface),
  '-o': ([value = ''], { outInterface }) => sameInterface(value, outInterface),
  '-p': ([value = ''], { protocol }) => {
    const wanted = protocolNumber(value);
    return wanted === undefined ? undefined : wanted === 0 || wanted === protocol;
  },
  // A packet that is followed here is never a later fragment.
  '-f': () => false,
});

const topPort = 65_535;
const oneRange = (text: string, value: number) => {
  const range = readRange(text, topPort);
  return range && range.first <= value && value <= range.last;
};

const ports: Readonly<Record<string, OptionMatch>> = {
  '--sport': ([value = ''], { sourcePort }) => oneRange(value, sourcePort),
  '--dport': ([value = ''], { destinationPort }) => oneRange(value, destinationPort),
};

const flagNames: readonly (readonly [string, number])[] = Object.entries(tcpFlags);
function flagBits(text: string): number | undefined {
  if (text === 'ALL') return 0x3f;
  if (text === 'NONE') return 0;
  const found = text.split(',').map((name) => flagNames.find(([each]) => each === name)?.[1]);
  if (found.includes(undefined)) return undefined;
  return found.reduce<number>((all, bit = 0) => all | bit, 0);
}

/** Only packets of `protocol` are asked, as the kernel refuses such a rule without `-p`. */
function ofProtocol(protocol: number, table: Readonly<Record<string, OptionMatch>>): Match {
  const match = eachOption(table);
  return (options, packet, answers) =>
    packet.protocol === protocol && match(options, packet, answers);
}

export const tcp = ofProtocol(ipProtocols.tcp, {
  ...ports,
  '--tcp-flags': ([mask = '', set = ''], packet) => {
    const [counted, wanted] = [flagBits(mask), flagBits(set)];
    return counted === undefined ? undefined : (packet.tcpFlags & counted) === wanted;
  },
});
export const udp = ofProtocol(ipProtocols.udp, ports);
export const sctp = ofProtocol(ipProtocols.sctp, ports);
export const dccp = ofProtocol(ipProtocols.dccp, ports);
export const udplite = ofProtocol(ipProtocols.udplite, ports);

const multiportOptions: Readonly<Record<string, OptionMatch>> = {
  '--sports': ([value = ''], { sourcePort }) => inRanges(value, sourcePort, topPort),
  '--dports': ([value = ''], { destinationPort }) => inRanges(value, destinationPort, topPort),
  '--ports': ([value = ''], { sourcePort, destinationPort }) => {
    const either = [sourcePort, destinationPort].map((port) => inRanges(value, port, topPort));
    return either.some((truth) => truth === undefined) ? undefined : some(either as Truth[]);
  },
};
const multiportMatch = eachOption(multiportOptions);
export const multiport: Match = (options, packet, answers) =>
  hasPorts(packet.protocol) && multiportMatch(options, packet, answers);

function icmpMatch(protocol: number, flag: string): Match {
  return ofProtocol(protocol, {
    [flag]: ([value = ''], { icmp }) => {
      if (value === 'any') return true;
      const wanted = /^(\d+)(?:\/(\d+))?$/.exec(value);
      if (wanted === null || icmp === undefined) return undefined;
      const [, type, code] = wanted;
      return Number(type) === icmp.type && (code === undefined || Number(code) === icmp.code);
    },
  });
}
export const icmp = icmpMatch(ipProtocols.icmp, '--icmp-type');
export const icmp6 = icmpMatch(ipProtocols.icmpv6, '--icmpv6-type');

export const iprange = eachOption({
  '--src-range': ([value = ''], { source }) => inAddressRange(value, source),
  '--dst-range': ([value = ''], { destination }) => inAddressRange(value, destination),
});

export const length = eachOption({
  '--length': ([value = ''], packet) => oneRange(value, packet.length),
});

/** Hops left: `ttl` of IPv4 and `hl` of IPv6 differ in the name of their options alone. */
function hops(prefix: string): Match {
  const compare =
    (holds: (ttl: number, wanted: number) => boolean): OptionMatch =>
    ([value = ''], { ttl }) => {
      const wanted = readNumber(value);
      return wanted === undefined ? undefined : holds(ttl, wanted);
    };
  return eachOption({
    [`--${prefix}-eq`]: compare((ttl, wanted) => ttl === wanted),
    [`--${prefix}-lt`]: compare((ttl, wanted) => ttl < wanted),
    [`--${prefix}-gt`]: compare((ttl, wanted) => ttl > wanted),
  });
}
export const ttl = hops('ttl');
export const hl = hops('hl');

export const dscp = eachOption({
  '--dscp': ([value = ''], packet) => {
    const wanted = readNumber(value);
    return wanted === undefined ? undefined : packet.tos >> 2 === wanted;
  },
});
export const tos = eachOption({
  '--tos': ([value = ''], packet) => equalMasked(value, packet.tos, 0xff),
});
export const mark = eachOption({
  '--mark': ([value = ''], packet) => equalMasked(value, packet.mark),
});

/** Whether the bits that count are those of the value. */
export function equalMasked(text: string, value: number, most = 0xffffffff): boolean | undefined {
  const wanted = readMasked(text);
  return wanted && bits.and(value, bits.and(wanted.mask, most)) === wanted.value;
}

/** Frames to the host are `unicast`; the ones to several are told by the destination's address. */
export const pkttype = eachOption({
  '--pkt-type': ([value = ''], { family, destination }) => {
    const group = family === 4 ? /^(?:22[4-9]|23\d)\./.test(destination) : /^ff/.test(destination);
    if (value === 'multicast') return group;
    if (value === 'unicast') return !group && destination !== '255.255.255.255';
    return value === 'broadcast' ? destination === '255.255.255.255' : undefined;
  },
});

/** IPv6's extension headers: a packet that is followed here has none. */
export const noExtensionHeader = always(false);
