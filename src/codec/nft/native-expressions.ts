/** Expressions and values of nft's rules, as `nft -jn` lists them. What is not understood stays in words. */
import { networkOf, parseCidr, parseIp } from '../../core/address.js';
import type {
  Element,
  ElementsOf,
  Expression,
  MapData,
  MapEntry,
  Operand,
  Verdict,
} from '../../core/explain/native/native-table.js';
import { addressNumber } from '../../core/explain/native/values.js';

export type Json = Readonly<Record<string, unknown>>;

/** What an object has under its only key, or an empty one. */
export function fieldsOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Json)
    : {};
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function wordsIn(value: unknown): string {
  // In a forged listing, a value that nft always writes may be missing; JSON.stringify answers undefined for it.
  return JSON.stringify(value) ?? 'what is missing';
}

const operators = ['&', '|', '^'] as const;

export function readExpression(json: unknown): Expression {
  if (typeof json === 'number') return { kind: 'number', value: json };
  const fields = fieldsOf(json);
  const { meta, ct, payload, fib, concat } = fields;
  const other = { kind: 'other', words: wordsIn(json) } as const;
  if (meta !== undefined) return { kind: 'meta', key: String(fieldsOf(meta).key) };
  if (ct !== undefined) {
    const { key, dir } = fieldsOf(ct);
    return {
      kind: 'ct',
      key: String(key),
      ...(dir === undefined ? {} : { direction: String(dir) }),
    };
  }
  if (payload !== undefined) {
    const { protocol, field } = fieldsOf(payload);
    return protocol === undefined
      ? other
      : { kind: 'payload', protocol: String(protocol), field: String(field) };
  }
  if (fib !== undefined) {
    const { result, flags } = fieldsOf(fib);
    return { kind: 'fib', result: String(result), flags: [flags].flat().map(String) };
  }
  if (Array.isArray(concat)) return { kind: 'concat', parts: concat.map(readExpression) };
  const operator = operators.find((each) => each in fields);
  if (operator === undefined) return bitsIn(json) ?? other;
  const sides = listOf(fields[operator]).map(readSide);
  const [left, right] = sides;
  return left === undefined || right === undefined || sides.length > 2
    ? other
    : { kind: 'bits', operator, left, right };
}

/**
 * Reads one side of a comparison. A mask of IPv4 is printed as an address (`255.0.0.0`) and read as a number; what a
 * number cannot hold exactly stays text.
 */
function readSide(json: unknown): Expression {
  const address = typeof json === 'string' ? parseIp(json) : undefined;
  const value = address === undefined ? undefined : Number(addressNumber(address));
  return Number.isSafeInteger(value)
    ? { kind: 'number', value: value as number }
    : readExpression(json);
}

/** `[2, 16]` is the bits of both. */
function bitsIn(json: unknown): Expression | undefined {
  const bits = listOf(json);
  if (bits.length === 0 || !bits.every((bit) => typeof bit === 'number')) return undefined;
  return { kind: 'number', value: bits.reduce((all, bit) => (all | bit) >>> 0, 0) };
}

/** What a match compares with: a value, several, or the name of a set. */
export function readElements(json: unknown): ElementsOf<Element> {
  if (typeof json === 'string' && json.startsWith('@'))
    return { kind: 'named', name: json.slice(1) };
  const { set } = fieldsOf(json);
  const entries = Array.isArray(set) ? set : Array.isArray(json) ? json : [json];
  return { kind: 'listed', entries: entries.map(readElement) };
}

/** What an element may carry without being less of one. */
const plainKeys: ReadonlySet<string> = new Set(['val', 'comment', 'timeout', 'expires', 'counter']);

export function readElement(json: unknown): Element {
  const { elem, concat } = fieldsOf(json);
  if (elem !== undefined) {
    const isPlain = Object.keys(fieldsOf(elem)).every((key) => plainKeys.has(key));
    return isPlain ? readElement(fieldsOf(elem).val) : [{ kind: 'other', words: wordsIn(json) }];
  }
  return Array.isArray(concat) ? concat.map(readOperand) : [readOperand(json)];
}

function readOperand(json: unknown): Operand {
  const other: Operand = { kind: 'other', words: wordsIn(json) };
  if (typeof json === 'boolean') return readOperand(Number(json));
  if (typeof json === 'number') return { kind: 'range', low: BigInt(json), high: BigInt(json) };
  if (typeof json === 'string') return addressIn(json) ?? nameIn(json);
  const { range, prefix } = fieldsOf(json);
  if (Array.isArray(range)) {
    const [low, high] = range.map(readOperand);
    // nft makes one range of two comparisons of different things: such a one can end before it begins.
    return low?.kind === 'range' && high?.kind === 'range' && low.low <= high.high
      ? { kind: 'range', low: low.low, high: high.high }
      : other;
  }
  if (prefix !== undefined) return networkIn(fieldsOf(prefix)) ?? other;
  const value = readExpression(json);
  if (value.kind === 'number') return readOperand(value.value);
  return value.kind === 'bits' ? (constantOf(value) ?? other) : other;
}

/** `2 | 4` */
function constantOf({ operator, left, right }: Extract<Expression, { kind: 'bits' }>) {
  if (operator !== '|' || left.kind !== 'number' || right.kind !== 'number') return undefined;
  return readOperand((left.value | right.value) >>> 0);
}

function addressIn(text: string): Operand | undefined {
  const address = parseIp(text);
  if (address === undefined) return undefined;
  return { kind: 'range', low: addressNumber(address), high: addressNumber(address) };
}

function networkIn({ addr, len }: Json): Operand | undefined {
  const cidr = parseCidr(`${String(addr)}/${String(len)}`);
  if (cidr === undefined) return undefined;
  const low = addressNumber(networkOf(cidr).address);
  const rest = BigInt((cidr.family === 4 ? 32 : 128) - cidr.prefixLength);
  return { kind: 'range', low, high: low + (1n << rest) - 1n };
}

/** `eth*` is any name that begins so, `eth\*` the name itself. */
function nameIn(text: string): Operand {
  if (text.endsWith('\\*')) return { kind: 'name', name: `${text.slice(0, -2)}*`, rest: false };
  if (text.endsWith('*')) return { kind: 'name', name: text.slice(0, -1), rest: true };
  return { kind: 'name', name: text, rest: false };
}

const plainVerdicts = ['accept', 'drop', 'continue', 'return'] as const;

/** undefined: no verdict at all. */
export function readVerdict(json: unknown): Verdict | undefined {
  const fields = fieldsOf(json);
  const plain = plainVerdicts.find((each) => each in fields);
  if (plain !== undefined) return { kind: plain };
  for (const kind of ['jump', 'goto'] as const) {
    if (kind in fields) return { kind, chain: String(fieldsOf(fields[kind]).target) };
  }
  if (!('queue' in fields)) return undefined;
  return { kind: 'other', words: 'a program reads the packet from a queue and decides' };
}

export function readMap(json: unknown): MapData {
  if (typeof json === 'string') return { kind: 'named', name: json.replace(/^@/, '') };
  const { set } = fieldsOf(json);
  return Array.isArray(set) ? { kind: 'listed', entries: set.map(readEntry) } : { kind: 'unread' };
}

export function readEntry(json: unknown): MapEntry {
  const [element, verdict] = listOf(json);
  const unread: Verdict = { kind: 'other', words: `the map has ${wordsIn(verdict)}` };
  const address = translationIn(verdict);
  return {
    element: readElement(element),
    verdict: readVerdict(verdict) ?? unread,
    ...(address === undefined ? {} : { address }),
  };
}

/** `"10.0.0.2"`, `{"concat": ["10.0.0.2", 80]}`; undefined for other data. */
function translationIn(json: unknown): string | undefined {
  const { concat } = fieldsOf(json);
  const [host, port, ...more] = Array.isArray(concat) ? concat : [json];
  const address = typeof host === 'string' ? parseIp(host) : undefined;
  if (address === undefined || more.length > 0) return undefined;
  if (port === undefined) return address;
  if (typeof port !== 'number') return undefined;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
