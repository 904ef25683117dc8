/** What a rule does to a packet that it matches. */
import { type IpAddress, parseIp } from '../../address.js';
import type { Answers } from '../facts.js';
import type { Flow, Packet } from '../packet.js';
import { bits, entryOf, readMasked, readNumber } from './options.js';
import type { RuleOption, RuleTarget } from './rule-table.js';

export type Effect =
  /** The next rule is asked; `packet` as the rule leaves it. */
  | { readonly kind: 'continue'; readonly packet: Packet }
  | { readonly kind: 'return' }
  | { readonly kind: 'accept'; readonly packet: Packet }
  | { readonly kind: 'drop'; readonly how: 'drop' | 'reject' }
  /** Its new source or destination holds from here on for the whole flow. */
  | { readonly kind: 'translate'; readonly manipulation: Manipulation; readonly packet: Packet }
  /** A program decides, or a target that nobody here knows. The words say which. */
  | { readonly kind: 'unknown'; readonly words: string };

export type Manipulation = 'source' | 'destination';

/** A target that is no chain. @throws {Unanswered} */
export function effectOf(target: RuleTarget, packet: Packet, answers: Answers): Effect {
  const effect = entryOf(effects, target.name);
  if (effect !== undefined) return effect(target.options, packet, answers);
  return { kind: 'unknown', words: `target ${target.name} is not known here` };
}

/** Whether a rule with this target, which is no chain, only counts or logs: the packet stays as it is and goes on. */
export function changesNothing(target: RuleTarget | undefined): boolean {
  return target === undefined || entryOf(effects, target.name) === goesOn;
}

type EffectOf = (options: readonly RuleOption[], packet: Packet, answers: Answers) => Effect;

const goesOn: EffectOf = (_, packet) => ({ kind: 'continue', packet });
const changes =
  (change: (options: readonly RuleOption[], packet: Packet) => Packet | undefined): EffectOf =>
  (options, packet) => {
    const changed = change(options, packet);
    if (changed !== undefined) return { kind: 'continue', packet: changed };
    return { kind: 'unknown', words: 'the target has an option that is not known here' };
  };

function firstValue(options: readonly RuleOption[], flag: string): string | undefined {
  return options.find((option) => option.flag === flag)?.values[0];
}

/** `(old without mask) xor value`, as MARK, CONNMARK and TOS all do. */
function set(old: number, text: string | undefined, all: number): number | undefined {
  const wanted = text === undefined ? undefined : readMasked(text);
  if (wanted === undefined) return undefined;
  return bits.xor(bits.without(old, bits.and(wanted.mask, all)), wanted.value);
}

function withMark(packet: Packet, mark: number | undefined): Packet | undefined {
  return mark === undefined ? undefined : { ...packet, mark };
}

function connmark(options: readonly RuleOption[], packet: Packet): Packet | undefined {
  const { flow } = packet;
  // The kernel leaves packets alone that have no entry.
  if (typeof flow === 'string') return packet;
  const flags = options.map(({ flag }) => flag);
  const [ofPacket, ofFlow] = ['--nfmask', '--ctmask'].map((flag) => {
    const text = firstValue(options, flag) ?? firstValue(options, '--mask');
    return text === undefined ? 0xffffffff : (readNumber(text) ?? 0);
  }) as [number, number];
  const marked = (mark: number): Packet => ({ ...packet, flow: { ...flow, mark } });
  if (flags.includes('--save-mark')) {
    return marked(bits.xor(bits.without(flow.mark, ofFlow), bits.and(packet.mark, ofPacket)));
  }
  if (flags.includes('--restore-mark')) {
    return withMark(
      packet,
      bits.xor(bits.without(packet.mark, ofPacket), bits.and(flow.mark, ofFlow)),
    );
  }
  const mark = set(flow.mark, firstValue(options, '--set-xmark'), 0xffffffff);
  return mark === undefined ? undefined : marked(mark);
}

function hops(prefix: string): EffectOf {
  return changes((options, packet) => {
    for (const { flag, values } of options) {
      const value = readNumber(values[0] ?? '');
      if (value === undefined) return undefined;
      if (flag === `--${prefix}-set`) return { ...packet, ttl: value };
      if (flag === `--${prefix}-dec`) return { ...packet, ttl: packet.ttl - value };
      if (flag === `--${prefix}-inc`) return { ...packet, ttl: packet.ttl + value };
    }
    return undefined;
  });
}

/** The parts of `ADDRESS[-ADDRESS][:PORT[-PORT][/BASE]]`; an address of IPv6 is in brackets if a port follows. */
const translationPattern = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(\d+)(?:-(\d+))?(?:\/(\d+))?)?$/;

interface Translation {
  readonly address?: IpAddress;
  readonly first?: number;
  readonly last?: number;
  readonly base?: number;
}

/** Of a range of addresses, the kernel takes one by a hash: the first one stands for them. */
function readTranslation(text: string): Translation | undefined {
  const ofIpv6 = text.startsWith('[') ? undefined : parseIp(text.split('-')[0] ?? '');
  if (ofIpv6?.includes(':')) return { address: ofIpv6 };
  const parts = translationPattern.exec(text);
  if (parts === null) return undefined;
  const [, bracketed, bare, first, last, base] = parts;
  const [low = ''] = (bracketed ?? bare ?? '').split('-');
  const address = low === '' ? undefined : parseIp(low);
  if (low !== '' && address === undefined) return undefined;
  return {
    ...(address === undefined ? {} : { address }),
    ...(first === undefined ? {} : { first: Number(first), last: Number(last ?? first) }),
    ...(base === undefined ? {} : { base: Number(base) }),
  };
}

/** The port that the kernel tries first; it takes another one only if that one is taken by a flow. */
function translatedPort(port: number, { first, last, base }: Translation): number {
  if (first === undefined || last === undefined) return port;
  if (base !== undefined) return first + ((port - base) % (last - first + 1));
  return first <= port && port <= last ? port : first;
}

function toDestination(packet: Packet, to: Translation): Effect {
  const destination = to.address ?? packet.destination;
  const destinationPort = translatedPort(packet.destinationPort, to);
  const changed = destination !== packet.destination || destinationPort !== packet.destinationPort;
  const flow = packet.flow as Flow;
  return {
    kind: 'translate',
    manipulation: 'destination',
    packet: {
      ...packet,
      destination,
      destinationPort,
      flow: { ...flow, destinationTranslated: flow.destinationTranslated || changed },
    },
  };
}

const dnat: EffectOf = (options, packet) => {
  const to = readTranslation(firstValue(options, '--to-destination') ?? '');
  if (to === undefined) return { kind: 'unknown', words: 'the translation is not understood' };
  return toDestination(packet, to);
};

const redirect: EffectOf = (options, packet, answers) => {
  const [first, last] = (firstValue(options, '--to-ports') ?? '').split('-').map(Number);
  const ports = first ? { first, last: last ?? first } : {};
  const { family, inInterface } = packet;
  if (inInterface === undefined) {
    return toDestination(packet, {
      address: (family === 4 ? '127.0.0.1' : '::1') as IpAddress,
      ...ports,
    });
  }
  const address = answers.ask({ kind: 'interface-address', family, interface: inInterface });
  // The kernel drops what it would redirect on an interface without an address.
  return address === undefined
    ? { kind: 'drop', how: 'drop' }
    : toDestination(packet, { address, ...ports });
};

/** A port that the source is given is looked at by no rule that comes later, and left out here. */
function toSource(packet: Packet, source: IpAddress): Effect {
  const flow = packet.flow as Flow;
  return {
    kind: 'translate',
    manipulation: 'source',
    packet: { ...packet, source, flow: { ...flow, sourceTranslated: source !== packet.source } },
  };
}

const snat: EffectOf = (options, packet) => {
  const to = readTranslation(firstValue(options, '--to-source') ?? '');
  if (to === undefined) return { kind: 'unknown', words: 'the translation is not understood' };
  return toSource(packet, to.address ?? packet.source);
};

const masquerade: EffectOf = (_, packet, answers) => {
  const { family, outInterface = '', destination } = packet;
  const address = answers.ask({
    kind: 'interface-address',
    family,
    interface: outInterface,
    toward: destination,
  });
  // The kernel drops what it would send from an interface without an address.
  return address === undefined ? { kind: 'drop', how: 'drop' } : toSource(packet, address);
};

/** A packet that has its entry already, since it comes back by `lo`, keeps it. */
const untracked: EffectOf = (_, packet) => ({
  kind: 'continue',
  packet: packet.flow === 'none' ? { ...packet, flow: 'untracked' } : packet,
});

/** Targets that say, count or change what no rule can look at. */
const harmless = [
  ...['LOG', 'NFLOG', 'ULOG', 'AUDIT', 'TRACE', 'TEE', 'SET', 'CHECKSUM', 'TCPMSS', 'CLASSIFY'],
  ...['TCPOPTSTRIP', 'LED', 'IDLETIMER', 'RATEEST', 'SECMARK', 'CONNSECMARK', 'HMARK', 'ECN'],
];

const effects: Readonly<Record<string, EffectOf>> = {
  ...Object.fromEntries(harmless.map((name) => [name, goesOn])),
  ACCEPT: (_, packet) => ({ kind: 'accept', packet }),
  DROP: () => ({ kind: 'drop', how: 'drop' }),
  REJECT: () => ({ kind: 'drop', how: 'reject' }),
  RETURN: () => ({ kind: 'return' }),
  MARK: changes((options, packet) =>
    withMark(packet, set(packet.mark, firstValue(options, '--set-xmark'), 0xffffffff)),
  ),
  CONNMARK: changes(connmark),
  TOS: changes((options, packet) => {
    const tos = set(packet.tos, firstValue(options, '--set-tos'), 0xff);
    return tos === undefined ? undefined : { ...packet, tos };
  }),
  DSCP: changes((options, packet) => {
    const value = readNumber(firstValue(options, '--set-dscp') ?? '');
    return value === undefined ? undefined : { ...packet, tos: (value << 2) | (packet.tos & 3) };
  }),
  TTL: hops('ttl'),
  HL: hops('hl'),
  NOTRACK: untracked,
  // Without --notrack it sets a zone, a helper or a timeout.
  CT: (options, packet, answers) =>
    options.some(({ flag }) => flag === '--notrack')
      ? untracked(options, packet, answers)
      : goesOn(options, packet, answers),
  DNAT: dnat,
  REDIRECT: redirect,
  SNAT: snat,
  MASQUERADE: masquerade,
  NFQUEUE: () => ({
    kind: 'unknown',
    words: 'a program reads the packet from a queue and decides',
  }),
  QUEUE: () => ({ kind: 'unknown', words: 'a program reads the packet from a queue and decides' }),
  TPROXY: () => ({ kind: 'unknown', words: 'a program on the host takes it (TPROXY)' }),
  SYNPROXY: () => ({
    kind: 'unknown',
    words: 'the host answers in place of the server (SYNPROXY)',
  }),
};
