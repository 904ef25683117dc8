/** Whether a packet is what a rule of nft's asks for. */
import type { Answers } from '../facts.js';
import type { Packet } from '../packet.js';
import { every, negated, some, type Truth, unknown } from '../truth.js';
import type {
  Element,
  Expression,
  MapData,
  MapEntry,
  NativeTable,
  Operand,
  Statement,
} from './native-table.js';
import { evaluate, statusBits, type Value } from './values.js';

type Match = Extract<Statement, { kind: 'match' }>;

/** @throws {Unanswered} */
export function matchHolds(
  match: Match,
  table: NativeTable,
  packet: Packet,
  answers: Answers,
): Truth {
  const { left, operator, right, words } = match;
  const elements = right.kind === 'named' ? table.sets.get(right.name) : right.entries;
  if (elements === undefined) return unknown(`all of “${words}” holds`);
  if (left.kind === 'ct' && left.key === 'status') return statusHolds(match, elements, packet);
  const values = valuesOf(left, packet, answers);
  if (values.includes('none')) return false;
  switch (operator) {
    case '==':
      return isAmong(elements, values, words);
    case '!=':
      return negated(isAmong(elements, values, words));
    case 'in':
    case '!': {
      const [mask, [value]] = [bitsOf(elements), values];
      if (mask === undefined || typeof value !== 'bigint')
        return unknown(`all of “${words}” holds`);
      return ((value & mask) !== 0n) === (operator === 'in');
    }
    default:
      return compared(operator, values, elements) ?? unknown(`all of “${words}” holds`);
  }
}

/**
 * Bits of the status that are known: IPS_CONFIRMED, IPS_SRC_NAT and IPS_DST_NAT; of an established flow IPS_SEEN_REPLY,
 * too; and of a new one that it is neither expected nor assured and has not seen a reply.
 */
const knownStatus = { new: 63n, related: 56n, established: 58n } as const;

/** The status has bits of which nothing is known, so it can be asked for some of them alone. */
function statusHolds(
  { operator, words }: Match,
  elements: readonly Element[],
  { flow }: Packet,
): Truth {
  if (typeof flow === 'string') return false;
  const asked = bitsOf(elements);
  const isBits = operator === 'in' || operator === '!';
  if (!isBits || asked === undefined) return unknown(`all of “${words}” holds`);
  const any = (BigInt(statusBits(flow)) & asked) !== 0n;
  const known = knownStatus[flow.state] | (flow.assured === undefined ? 0n : 4n);
  if (!any && (asked & ~known) !== 0n) {
    return unknown(`all of “${words}” holds`);
  }
  return any === (operator === 'in');
}

/** The entries of a map in order, each with whether its key is the packet's, as far as that is known. */
export function entriesFor(
  { key, data, words }: Extract<Statement, { kind: 'verdict-map' | 'translate-by-map' }>,
  table: NativeTable,
  packet: Packet,
  answers: Answers,
): readonly (Omit<MapEntry, 'element'> & { readonly truth: Truth })[] {
  const entries = entriesOf(data, table);
  if (entries === undefined) {
    const verdict = { kind: 'other', words: `map of “${words}” could not be read` } as const;
    return [{ truth: true, verdict }];
  }
  const values = valuesOf(key, packet, answers);
  if (values.includes('none')) return [];
  return entries.map(({ element, ...rest }) => ({
    truth: isElement(element, values, words),
    ...rest,
  }));
}

function entriesOf(data: MapData, { maps }: NativeTable): readonly MapEntry[] | undefined {
  if (data.kind === 'unread') return undefined;
  return data.kind === 'named' ? maps.get(data.name) : data.entries;
}

function valuesOf(expression: Expression, packet: Packet, answers: Answers): Value[] {
  const parts = expression.kind === 'concat' ? expression.parts : [expression];
  return parts.map((part) => evaluate(part, packet, answers));
}

function isAmong(elements: readonly Element[], values: readonly Value[], words: string): Truth {
  return some(elements.map((element) => isElement(element, values, words)));
}

function isElement(element: Element, values: readonly Value[], words: string): Truth {
  if (element.length !== values.length) return unknown(`all of “${words}” holds`);
  return every(
    element.map(
      (operand, index) => is(operand, values[index] as Value) ?? unknown(`all of “${words}” holds`),
    ),
  );
}

/** undefined: nothing can be said. */
function is(operand: Operand, value: Value): Truth | undefined {
  if (typeof value === 'object' && 'dependsOn' in value) return value;
  if (operand.kind === 'range' && typeof value === 'bigint') {
    return operand.low <= value && value <= operand.high;
  }
  if (operand.kind !== 'name' || typeof value !== 'object') return undefined;
  return operand.rest ? value.name.startsWith(operand.name) : value.name === operand.name;
}

/** One number; undefined for anything else. */
function numberIn(operand: Operand | undefined): bigint | undefined {
  return operand?.kind === 'range' && operand.low === operand.high ? operand.low : undefined;
}

function bitsOf(elements: readonly Element[]): bigint | undefined {
  let all = 0n;
  for (const [operand, ...others] of elements) {
    const one = numberIn(operand);
    if (one === undefined || others.length > 0) return undefined;
    all |= one;
  }
  return all;
}

function compared(
  operator: '<' | '>' | '<=' | '>=',
  [value]: readonly Value[],
  [element]: readonly Element[],
): boolean | undefined {
  const wanted = numberIn(element?.[0]);
  if (wanted === undefined || typeof value !== 'bigint') return undefined;
  if (operator === '<') return value < wanted;
  if (operator === '>') return value > wanted;
  return operator === '<=' ? value <= wanted : value >= wanted;
}
