/**
 * How the host's own iptables writes rules of one shape, learnt from what it wrote for examples: the
 * bytes that all rules of the shape share, and gaps for their values.
 */
import { maskedBytes, type RuleValue } from '../../core/rules/rule-shape.js';
import { text } from '../netlink/netlink-message.js';
import { type AttributeNode, parseExpressions, writeAttributes } from './nft-expressions.js';

/** A rule that iptables has written: its values, and the kernel's bytes of its expressions. */
export interface LearntRule {
  readonly values: readonly RuleValue[];
  readonly expressions: Buffer;
}

/** Bytes in place of which the value with this index goes, as this encoding writes it. */
interface Gap {
  readonly value: number;
  readonly encoding: Encoding;
  /** Where in the attribute's value the gap begins, in bytes. */
  readonly offset: number;
}

/** @param addresses bytes that are known already: thousands of rules can be about one address */
type Encode = (value: RuleValue, addresses: Map<string, Uint8Array>) => Uint8Array | undefined;
type Encoding = keyof typeof encodings;

/**
 * All the ways in which iptables 1.8 writes a value: addresses whole or, where the prefix ends with a byte,
 * without the bytes after it; ports in network order, or in the host's in what x_tables extensions take.
 */
const encodings = {
  address: (value, addresses) =>
    value.kind === 'address' ? addressOf(value, addresses) : undefined,
  prefix: (value, addresses) => {
    if (value.kind !== 'address') return undefined;
    const bytes = addressOf(value, addresses);
    return bytes.subarray(0, (value.prefixLength + 7) >> 3);
  },
  name: (value) => (value.kind === 'name' ? text(value.name) : undefined),
  port: (value) =>
    value.kind === 'port' ? Uint8Array.of(value.port >> 8, value.port & 0xff) : undefined,
  hostPort: (value) =>
    value.kind === 'port' ? Uint8Array.of(value.port & 0xff, value.port >> 8) : undefined,
} satisfies Record<string, Encode>;
const kindsOfEncoding = Object.keys(encodings) as readonly Encoding[];

const mostAddresses = 64;

function addressOf(
  { address, prefixLength }: RuleValue & { readonly kind: 'address' },
  addresses: Map<string, Uint8Array>,
): Uint8Array {
  const key = `${address}/${prefixLength}`;
  const known = addresses.get(key);
  if (known !== undefined) return known;
  if (addresses.size >= mostAddresses) addresses.clear();
  const bytes = maskedBytes(address, prefixLength);
  addresses.set(key, bytes);
  return bytes;
}

/** The values of a rule but its names. Their bytes have the same length in every rule of a shape. */
interface Flat {
  readonly bytes: Buffer;
  readonly gaps: readonly Gap[];
}

export class RuleTemplate {
  /** One for each combination of lengths of the rule's names. */
  readonly #flat = new Map<string, Flat>();
  readonly #addresses = new Map<string, Uint8Array>();

  private constructor(
    private readonly nodes: readonly AttributeNode[],
    private readonly gaps: ReadonlyMap<AttributeNode, readonly Gap[]>,
  ) {}

  /**
   * Learns from all examples but the last, which then has to come out byte by byte.
   *
   * @param examples three at least, of one shape, no two of which share a value
   * @returns undefined if it is not understood how the values are written
   */
  static learn(examples: readonly LearntRule[]): RuleTemplate | undefined {
    const trees = examples.map(({ expressions }) => parseExpressions(expressions));
    if (trees.includes(undefined)) return undefined;
    const gaps = new Map<AttributeNode, readonly Gap[]>();
    const known = examples.slice(0, -1).map(({ values }) => values);
    const learn = (versions: readonly (readonly AttributeNode[])[]): boolean => {
      const [nodes = []] = versions;
      if (versions.some(({ length }) => length !== nodes.length)) return false;
      return nodes.every((node, index) => {
        const same = versions.map((version) => version[index] as AttributeNode);
        if (same.some(({ type }) => type !== node.type)) return false;
        if ('children' in node) {
          return learn(same.map((one) => ('children' in one ? one.children : [])));
        }
        const found = gapsOf(
          same.map((one) => ('value' in one ? one.value : empty)),
          known,
        );
        if (found === undefined) return false;
        if (found.length > 0) gaps.set(node, found);
        return true;
      });
    };
    const versions = (trees as readonly (readonly AttributeNode[])[]).slice(0, -1);
    const [nodes = []] = versions;
    if (!learn(versions)) return undefined;
    const template = new RuleTemplate(nodes, gaps);
    const used = new Set([...gaps.values()].flat().map(({ value }) => value));
    const last = examples.at(-1);
    if (last === undefined || used.size !== last.values.length) return undefined;
    return template.fill(last.values).equals(last.expressions) ? template : undefined;
  }

  /** The kernel's bytes of the expressions of a rule with these values. */
  fill(values: readonly RuleValue[]): Buffer {
    const { bytes, gaps } = this.#flatFor(values);
    const filled = Buffer.from(bytes);
    for (const { value, encoding, offset } of gaps) {
      filled.set(encode(encoding, values[value], this.#addresses), offset);
    }
    return filled;
  }

  #flatFor(values: readonly RuleValue[]): Flat {
    let key = '';
    for (const value of values) {
      if (value.kind === 'name') key += `${Buffer.byteLength(value.name)} `;
    }
    const known = this.#flat.get(key);
    if (known !== undefined) return known;
    const { bytes, values: written } = writeAttributes(
      this.nodes.map((one) => this.#sized(one, values)),
    );
    const gaps = written.flatMap(({ node, offset }) =>
      (this.gaps.get(this.#origin.get(node) ?? node) ?? []).map((gap) => {
        return { ...gap, offset: offset + gap.offset };
      }),
    );
    const flat = { bytes, gaps };
    this.#flat.set(key, flat);
    return flat;
  }

  /** Of a value that was made anew for a name of another length: the one that was learnt. */
  readonly #origin = new WeakMap<AttributeNode, AttributeNode>();

  /** The same attributes, with room for the names of these values. */
  #sized(node: AttributeNode, values: readonly RuleValue[]): AttributeNode {
    if ('children' in node) {
      return { ...node, children: node.children.map((child) => this.#sized(child, values)) };
    }
    const name = this.gaps.get(node)?.find(({ encoding }) => encoding === 'name');
    if (name === undefined) return node;
    const sized = { ...node, value: Buffer.from(encode('name', values[name.value])) };
    this.#origin.set(sized, node);
    return sized;
  }
}

const empty = Buffer.alloc(0);

function encode(
  encoding: Encoding,
  value: RuleValue | undefined,
  addresses = new Map<string, Uint8Array>(),
): Uint8Array {
  return (value && encodings[encoding](value, addresses)) ?? empty;
}

/**
 * Which values stand in an attribute that had these bytes in the examples; none if they are equal, and
 * undefined if they differ in bytes that come from no value.
 */
function gapsOf(
  versions: readonly Buffer[],
  examples: readonly (readonly RuleValue[])[],
): Gap[] | undefined {
  const [first = empty] = versions;
  if (versions.every((version) => version.equals(first))) return [];
  const candidates = candidatesOf(examples);
  const whole = candidates.find(
    ({ encoding, bytes }) =>
      encoding === 'name' && versions.every((version, index) => version.equals(at(bytes, index))),
  );
  if (whole !== undefined) return [{ value: whole.value, encoding: whole.encoding, offset: 0 }];
  if (versions.some(({ length }) => length !== first.length)) return undefined;
  const gaps: Gap[] = [];
  for (let offset = 0; offset < first.length; ) {
    const found = candidates.find(
      ({ encoding, bytes }) =>
        encoding !== 'name' &&
        versions.every((version, index) => {
          const part = at(bytes, index);
          return part.equals(version.subarray(offset, offset + part.length));
        }),
    );
    if (found !== undefined) {
      gaps.push({ value: found.value, encoding: found.encoding, offset });
      offset += at(found.bytes, 0).length;
    } else if (versions.every((version) => version[offset] === first[offset])) offset += 1;
    else return undefined;
  }
  return gaps;
}

interface Candidate {
  readonly value: number;
  readonly encoding: Encoding;
  /** The bytes of the value in each example. */
  readonly bytes: readonly Buffer[];
}

/** All encodings of all values, the longest first: an address's first bytes are not its prefix. */
function candidatesOf(examples: readonly (readonly RuleValue[])[]): Candidate[] {
  const [first = []] = examples;
  return first
    .flatMap((_, value) =>
      kindsOfEncoding.map((encoding) => {
        const bytes = examples.map((values) => Buffer.from(encode(encoding, values[value])));
        return { value, encoding, bytes };
      }),
    )
    .filter(({ bytes }) => at(bytes, 0).length > 0)
    .sort((a, b) => at(b.bytes, 0).length - at(a.bytes, 0).length);
}

const at = (bytes: readonly Buffer[], index: number): Buffer => bytes[index] ?? empty;
