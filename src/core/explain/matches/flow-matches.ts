/** Matches that look at what connection tracking knows of the packet's flow. */
import type { Family } from '../../address.js';
import { turned } from '../chains/flow-translation.js';
import { asWritten, entryOf, inNetwork, inRanges, notUnderstood } from '../chains/options.js';
import type { RuleOption } from '../chains/rule-table.js';
import type { Flow, Packet, Tuple } from '../packet.js';
import { every, type Truth, unknown } from '../truth.js';
import { equalMasked } from './header-matches.js';
import { eachOption, type Match } from './match.js';

/** Words of `--ctstate` that hold for a packet. */
function statesOf({ flow }: Packet): readonly string[] {
  if (flow === 'none') return ['INVALID'];
  if (flow === 'untracked') return ['UNTRACKED'];
  return [
    flow.state.toUpperCase(),
    ...(flow.sourceTranslated ? ['SNAT'] : []),
    ...(flow.destinationTranslated ? ['DNAT'] : []),
  ];
}

function inState({ values: [list = ''] }: RuleOption, packet: Packet): Truth {
  const states = statesOf(packet);
  return list.split(',').some((state) => states.includes(state));
}

/** Bits of the status that rules can ask for. */
function inStatus(list: string, { state, confirmed, assured }: Flow): Truth {
  const wanted = new Set(list.split(','));
  if (wanted.has('CONFIRMED') && confirmed) return true;
  // A new flow has none of the others.
  if (state === 'new') return false;
  if (wanted.has('SEEN_REPLY') && state === 'established') return true;
  if (wanted.has('ASSURED') && assured === true) return true;
  const isOpen =
    (wanted.has('ASSURED') && assured === undefined) ||
    wanted.has('SEEN_REPLY') ||
    wanted.has('EXPECTED');
  return isOpen ? unknown(`the flow is ${list}`) : false;
}

const numbers: Readonly<Record<string, number>> = { tcp: 6, udp: 17, icmp: 1, sctp: 132 };
const topPort = 65_535;

/** An option of `-m conntrack` about a packet that belongs to `flow`. */
function aboutFlow(option: RuleOption, packet: Packet, flow: Flow): Truth | undefined {
  const [value = ''] = option.values;
  const { original } = flow;
  const { family } = packet;
  switch (option.flag) {
    case '--ctstate':
      return inState(option, packet);
    case '--ctstatus':
      return inStatus(value, flow);
    case '--ctdir':
      return value.toLowerCase() === flow.direction;
    case '--ctproto': {
      const wanted = entryOf(numbers, value) ?? Number(value);
      return Number.isInteger(wanted) ? wanted === packet.protocol : undefined;
    }
    case '--ctorigsrc':
      return inNetwork(value, family, original.source);
    case '--ctorigdst':
      return inNetwork(value, family, original.destination);
    case '--ctorigsrcport':
      return inRanges(value, original.sourcePort, topPort);
    case '--ctorigdstport':
      return inRanges(value, original.destinationPort, topPort);
    default:
      if (flow.answer === undefined && flow.direction === 'reply') return undefined;
      return aboutAnswer(option, flow.answer ?? turned(packet), packet.family);
  }
}

/**
 * @param answer addresses and ports of the flow's answers. Of a new flow they change with each translation that the
 * packet has passed
 */
function aboutAnswer(
  { flag, values: [value = ''] }: RuleOption,
  answer: Tuple,
  family: Family,
): Truth | undefined {
  if (flag === '--ctreplsrc') return inNetwork(value, family, answer.source);
  if (flag === '--ctrepldst') return inNetwork(value, family, answer.destination);
  if (flag === '--ctreplsrcport') return inRanges(value, answer.sourcePort, topPort);
  if (flag === '--ctrepldstport') return inRanges(value, answer.destinationPort, topPort);
  return undefined;
}

/**
 * As `conntrack_mt` of the kernel's xt_conntrack: of a packet without a flow only its state is looked at, and
 * a rule that does not ask for a state does not match it, `!` or not.
 */
export const conntrack: Match = (options, packet) => {
  const { flow } = packet;
  if (typeof flow === 'string') {
    const state = options.find(({ flag }) => flag === '--ctstate');
    return state === undefined ? false : asWritten(state, inState(state, packet));
  }
  return every(
    options.map((option) => {
      const truth = aboutFlow(option, packet, flow);
      return truth === undefined ? notUnderstood(option) : asWritten(option, truth);
    }),
  );
};

export const state: Match = eachOption({
  '--state': (values, packet) => inState({ flag: '--state', negated: false, values }, packet),
});

const connmarkMatch = eachOption({
  '--mark': ([value = ''], { flow }) => equalMasked(value, (flow as Flow).mark),
});
export const connmark: Match = (options, packet, answers) =>
  typeof packet.flow !== 'string' && connmarkMatch(options, packet, answers);

/** A helper is given to a flow by its first packet, and expected flows have it from the start. */
export const helper: Match = (options, { flow }) =>
  typeof flow !== 'string' && flow.state === 'new' ? false : every(options.map(notUnderstood));
