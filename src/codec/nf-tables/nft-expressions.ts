/**
 * The expressions of an nf_tables rule (NFTA_RULE_EXPRESSIONS) as a tree of netlink attributes, and back
 * to the same bytes. The kernel does not mark which attributes are made of attributes, so these are known
 * here by the names of their expressions; what is not known stays a value.
 */
import { align, headerOfAttribute } from '../netlink/netlink-message.js';

/** nla_type with its flags, and either a value or attributes. */
export type AttributeNode =
  | { readonly type: number; readonly value: Buffer }
  | { readonly type: number; readonly children: readonly AttributeNode[] };

const headerBytes = 4;
const elementAttribute = { name: 1, data: 2 } as const;

/** `EXPRESSION.TYPE` or `EXPRESSION.TYPE.TYPE` below NFTA_EXPR_DATA, as in linux/netfilter/nf_tables.h. */
const madeOfAttributes: ReadonlySet<string> = new Set([
  'cmp.3',
  'bitwise.4',
  'bitwise.5',
  'bitwise.7',
  'range.3',
  'range.4',
  'immediate.2',
  // A verdict: its code, and the chain to jump to.
  'immediate.2.2',
]);

/** A NFTA_LIST_ELEM for each expression; undefined if the bytes are cut off. */
export function parseExpressions(bytes: Buffer): AttributeNode[] | undefined {
  const elements: AttributeNode[] = [];
  for (const { type, value } of attributesIn(bytes) ?? []) {
    const parts = attributesIn(value);
    const name = parts?.find((part) => part.type === elementAttribute.name)?.value;
    if (parts === undefined || name === undefined) return undefined;
    const path = name.toString('latin1').replace(/\0.*$/s, '');
    const children = parts.map((part) => {
      return part.type === elementAttribute.data ? treeOf(part, path) : part;
    });
    elements.push({ type, children });
  }
  return elements.length === 0 ? undefined : elements;
}

function treeOf({ type, value }: { type: number; value: Buffer }, path: string): AttributeNode {
  const parts = attributesIn(value);
  if (parts === undefined) return { type, value };
  const children = parts.map((part) => {
    const below = `${path}.${part.type}`;
    return madeOfAttributes.has(below) ? treeOf(part, below) : part;
  });
  return { type, children };
}

/** undefined if it is not a list of whole attributes. */
function attributesIn(bytes: Buffer): { type: number; value: Buffer }[] | undefined {
  const attributes: { type: number; value: Buffer }[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const length = offset + headerBytes <= bytes.length ? bytes.readUInt16LE(offset) : 0;
    if (length < headerBytes || offset + length > bytes.length) return undefined;
    const value = bytes.subarray(offset + headerBytes, offset + length);
    attributes.push({ type: bytes.readUInt16LE(offset + 2), value });
    offset += align(length);
  }
  return attributes;
}

/** A part of the bytes that {@link writeAttributes} makes. */
export interface WrittenValue {
  readonly node: AttributeNode & { readonly value: Buffer };
  /** Where its value begins. */
  readonly offset: number;
}

/** Bytes of the attributes, one after the other, and where in them each value is. */
export function writeAttributes(nodes: readonly AttributeNode[]): {
  readonly bytes: Buffer;
  readonly values: readonly WrittenValue[];
} {
  const values: WrittenValue[] = [];
  const chunks: Buffer[] = [];
  let offset = 0;
  const write = (node: AttributeNode): void => {
    const length = headerBytes + contentLength(node);
    chunks.push(headerOfAttribute(node.type, length));
    offset += headerBytes;
    if ('children' in node) for (const child of node.children) write(child);
    else {
      values.push({ node, offset });
      const padded = Buffer.alloc(align(node.value.length));
      node.value.copy(padded);
      chunks.push(padded);
      offset += padded.length;
    }
  };
  for (const node of nodes) write(node);
  return { bytes: Buffer.concat(chunks), values };
}

function contentLength(node: AttributeNode): number {
  if ('value' in node) return node.value.length;
  let length = 0;
  for (const child of node.children) length = align(length) + headerBytes + contentLength(child);
  // The kernel pads the last one, too, and counts it in.
  return align(length);
}

const counterName = Buffer.from('counter\0');

/**
 * A copy in which all counters stand at 0: equal for equal rules, whatever packets they have met.
 * Answers with the bytes as they are if they are no list of expressions.
 */
export function withoutCounts(expressions: Buffer): Buffer {
  const copy = Buffer.from(expressions);
  for (const element of attributesIn(copy) ?? []) {
    const parts = attributesIn(element.value) ?? [];
    const isCounter = parts.some(
      ({ type, value }) => type === elementAttribute.name && value.equals(counterName),
    );
    if (!isCounter) continue;
    for (const { type, value } of parts) {
      if (type !== elementAttribute.data) continue;
      for (const count of attributesIn(value) ?? []) count.value.fill(0);
    }
  }
  return copy;
}
