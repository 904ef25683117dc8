/** A traced packet as `--json` tells it. */
import {
  type DescribedStep,
  describeStep,
  endOf,
  flagWords,
  lostWords,
  type NameOf,
  protocolWord,
} from '../../core/trace/describe.js';
import type { PacketHeaders } from '../../core/trace/event.js';
import { type Listing, ruleOf } from '../../core/trace/listing.js';
import type { TracedPacket } from '../../core/trace/placing.js';
import { linkName } from '../../host/netlink/socket/link-names.js';
import type { PacketItem } from '../schemas/trace.js';

export interface PacketWords {
  readonly number: number;
  readonly answers: number | null;
  readonly nameOf: NameOf;
  /** Why the host does not route the packet; undefined: it does, or that is not known. */
  readonly noRoute: string | undefined;
}

export function packetItem(
  packet: TracedPacket,
  before: Listing,
  after: Listing,
  words: PacketWords,
): PacketItem {
  const { first, last } = packet as { first: PacketHeaders; last: PacketHeaders };
  const steps = packet.steps.map((step) =>
    describeStep(step, ruleOf(step.event, before, after), words.nameOf),
  );
  const end = endOf(packet, steps.at(-1)) as PacketItem['end'];
  return {
    number: words.number,
    answers: words.answers,
    family: first.family,
    protocol: protocolWord(first.protocol),
    flags: flagWords(first),
    ...endsOf(first, words.nameOf),
    became: endsOf(last, words.nameOf),
    in: interfaceName(packet.in),
    out: interfaceName(packet.out),
    steps: steps.map(stepItem),
    end,
    words: endWords(packet, end, steps.at(-1), words),
  };
}

function endsOf(
  headers: PacketHeaders,
  nameOf: NameOf,
): Pick<PacketItem, 'source' | 'destination'> {
  const { source, destination, sourcePort, destinationPort } = headers;
  return {
    source: { address: source, port: sourcePort, container: nameOf(source) ?? null },
    destination: {
      address: destination,
      port: destinationPort,
      container: nameOf(destination) ?? null,
    },
  };
}

/** `#7` for an interface that is gone by now: only its index is known. */
function interfaceName(index: number | undefined): string | null {
  return index === undefined ? null : (linkName(index) ?? `#${index}`);
}

function stepItem(step: DescribedStep): PacketItem['steps'][number] {
  const { hook, family, table, chain, outcome, containers } = step;
  return {
    ...{ hook, family, table, chain, outcome, containers },
    number: step.number ?? null,
    handle: step.handle === undefined ? null : String(step.handle),
    rule: step.rule ?? null,
    to: step.to ?? null,
    owner: step.owner ?? null,
  };
}

function endWords(
  packet: TracedPacket,
  end: PacketItem['end'],
  last: DescribedStep | undefined,
  { noRoute, nameOf }: PacketWords,
): string[] {
  const out = interfaceName(packet.out);
  switch (end) {
    case 'host':
      return ['TAKEN by this host itself, as far as rules decide.'];
    case 'sent': {
      const name = packet.last === undefined ? undefined : nameOf(packet.last.destination);
      return [`SENT out of ${out ?? 'an interface'}${name === undefined ? '' : ` to ${name}`}.`];
    }
    case 'lost': {
      const words = packet.end.kind === 'lost' ? lostWords(packet.end.after) : '';
      return [
        `LOST ${words}.`,
        ...(noRoute === undefined ? [] : [`  The host's routes say: ${noRoute}.`]),
      ];
    }
    default:
      return refusedWords(end, last);
  }
}

function refusedWords(end: string, last: DescribedStep | undefined): string[] {
  if (last === undefined) return [];
  const { hook, family, table, chain, number, handle, rule, owner, containers } = last;
  const verb = end === 'queued' ? 'HANDED to another program' : end.toUpperCase();
  const of = `table ${family} ${table}`;
  if (handle === undefined) return [`${verb} in ${hook} by the policy of chain ${chain}, ${of}.`];
  const which = number === undefined ? `the rule with handle ${handle}` : `rule ${number}`;
  return [
    `${verb} in ${hook} by ${which} of chain ${chain}, ${of}${rule === undefined ? '.' : ':'}`,
    ...(rule === undefined
      ? ['  It could not be told which one that is: rules have changed meanwhile.']
      : [`  ${rule}`]),
    ...(owner === undefined ? [] : [`  It looks like a rule of ${owner}.`]),
    ...(containers.length === 0 ? [] : [`  It is about ${containers.join(', ')}.`]),
  ];
}
