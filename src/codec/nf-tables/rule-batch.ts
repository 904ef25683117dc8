/**
 * Writes a transaction of nf_tables that adds and deletes rules (nf_tables.h) into one buffer. The rules of a thousand
 * ports have 1.6 MB: making a buffer for each attribute would take longer than writing the bytes.
 */
import { protocolNumber } from '../../core/ports/port.js';
import type { Rule } from '../../core/rules/rule.js';
import {
  align,
  attribute,
  flag,
  headerLength,
  nested,
  text,
  u32Be,
} from '../netlink/netlink-message.js';
import { familyHeader, message, ruleAttribute, subsystem } from './nft-rule-messages.js';

/** Where in its chain a rule is added. */
export type RulePlace =
  | 'top'
  | 'end'
  /** Right below the rule with this handle. */
  | { readonly handle: number }
  /** Right below the rule that the same transaction has added with this number. */
  | { readonly id: number };

export interface RuleAddition {
  readonly op: 'add';
  readonly rule: Rule;
  /** The rule's expressions in the kernel's bytes. */
  readonly expressions: Buffer;
  readonly place: RulePlace;
  /** A number, from 1, by which a `place` later in the transaction can name this rule. */
  readonly id?: number;
  /** true: the kernel is to answer with the rule's handle. */
  readonly echo: boolean;
}

export interface RuleDeletion {
  readonly op: 'delete';
  readonly rule: Rule;
  readonly handle: number;
}

/** What one system call hands to the kernel. */
export interface RuleBatch {
  readonly bytes: Buffer;
  /** Sequence number of the message that the kernel acknowledges: the last operation's. */
  readonly last: number;
}

/** NFNL_BATCH_GENID */
const batchGeneration = 1;
const compatibilityAttribute = { protocol: 1, flags: 2 } as const;
const protocols = { ...protocolNumber, icmp: 1, icmpv6: 58 } as const;
/** The subsystem in network order. */
const batchHeader = Buffer.from([0, 0, 0, subsystem]);
/** struct nlattr. */
const attributeHeader = 4;
const numberLength = attributeHeader + 4;
const handleLength = attributeHeader + 8;
/** Operations that are written before others get their turn: a fraction of a millisecond. */
const operationsInStep = 64;

/**
 * Writes the transaction, of which the kernel makes everything or nothing. Only the last operation asks for an
 * acknowledgement. The kernel also answers each operation that it refuses, by its message's sequence number, which is the
 * operation's index plus 1. Written in steps, since ten thousand rules take tens of milliseconds.
 *
 * @param generation the kernel's generation when the rules were read: if it has another one by now, it refuses with
 *   `ERESTART`
 */
export function* ruleBatch(
  generation: number,
  operations: readonly (RuleAddition | RuleDeletion)[],
): Generator<undefined, RuleBatch> {
  const begin = Buffer.concat([batchHeader, attribute(batchGeneration, u32Be(generation))]);
  const known = new Map<string, Surroundings>();
  const surroundings: Surroundings[] = [];
  let length = headerLength + begin.length + headerLength + batchHeader.length;
  for (const [index, operation] of operations.entries()) {
    if (index % operationsInStep === operationsInStep - 1) yield;
    const around = surroundingsOf(operation.rule, known);
    surroundings.push(around);
    length += lengthOf(operation, around);
  }
  const last = operations.length;
  const batch = new BatchWriter(length);
  batch.header(message.batchBegin, 0, 0, begin.length);
  batch.copy(begin);
  for (const [index, operation] of operations.entries()) {
    if (index % operationsInStep === operationsInStep - 1) yield;
    const acknowledged = index + 1 === last ? flag.ack : 0;
    batch.operation(operation, surroundings[index] as Surroundings, index + 1, acknowledged);
  }
  batch.header(message.batchEnd, 0, last + 1, batchHeader.length);
  batch.copy(batchHeader);
  return { bytes: batch.bytes, last };
}

/** The bytes of a rule's message before and behind its expressions, which are equal for many rules of a transaction. */
interface Surroundings {
  readonly before: Buffer;
  readonly behind: Buffer;
}

function surroundingsOf(
  { family, table, chain, matches: { protocol } }: Rule,
  known: Map<string, Surroundings>,
): Surroundings {
  const key = `${family} ${table} ${chain} ${protocol}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  const before = Buffer.concat([
    familyHeader[family],
    attribute(ruleAttribute.table, text(table)),
    attribute(ruleAttribute.chain, text(chain)),
  ]);
  // From here extensions of x_tables take the protocol of the rule; they do not look into its expressions.
  const number = u32Be(protocol === undefined ? 0 : protocols[protocol]);
  const behind = nested(
    ruleAttribute.compatibility,
    attribute(compatibilityAttribute.protocol, number),
    attribute(compatibilityAttribute.flags, u32Be(0)),
  );
  const made = { before, behind };
  known.set(key, made);
  return made;
}

/** Length of the operation's message, with its header. */
function lengthOf(
  operation: RuleAddition | RuleDeletion,
  { before, behind }: Surroundings,
): number {
  const addressed = headerLength + before.length;
  if (operation.op === 'delete') return addressed + handleLength;
  const { expressions, place, id } = operation;
  const position = typeof place === 'string' ? 0 : 'handle' in place ? handleLength : numberLength;
  const numbered = id === undefined ? 0 : numberLength;
  const filled = align(attributeHeader + expressions.length);
  return addressed + filled + behind.length + position + numbered;
}

/** Writes messages and attributes one behind the other. */
class BatchWriter {
  readonly bytes: Buffer;
  #at = 0;

  /** @param length of all messages together, in bytes */
  constructor(length: number) {
    // Zeros fill the gaps between attributes.
    this.bytes = Buffer.alloc(length);
  }

  operation(
    operation: RuleAddition | RuleDeletion,
    around: Surroundings,
    sequence: number,
    flags: number,
  ): void {
    const length = lengthOf(operation, around) - headerLength;
    if (operation.op === 'delete') {
      this.header(message.deleteRule, flags, sequence, length);
      this.copy(around.before);
      this.#handle(ruleAttribute.handle, operation.handle);
      return;
    }
    const { expressions, place, id, echo } = operation;
    // Without a position, NLM_F_APPEND is the end of the chain; with one, right below it.
    const append = place === 'top' ? 0 : flag.append;
    const more = flag.create | append | (echo ? flag.echo : 0);
    this.header(message.newRule, flags | more, sequence, length);
    this.copy(around.before);
    this.#attribute(ruleAttribute.expressions, expressions.length);
    this.copy(expressions);
    this.#at = align(this.#at);
    this.copy(around.behind);
    if (typeof place === 'object') {
      if ('handle' in place) this.#handle(ruleAttribute.position, place.handle);
      else this.#number(ruleAttribute.positionId, place.id);
    }
    if (id !== undefined) this.#number(ruleAttribute.id, id);
  }

  /** @param length of what follows in the message */
  header(type: number, flags: number, sequence: number, length: number): void {
    this.#u32(headerLength + length);
    this.#u16(type);
    this.#u16(flags | flag.request);
    this.#u32(sequence);
    // The sender's netlink port, which the kernel fills in.
    this.#u32(0);
  }

  copy(bytes: Buffer): void {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** The header of an attribute. */
  #attribute(type: number, length: number): void {
    this.#u16(attributeHeader + length);
    this.#u16(type);
  }

  #number(type: number, value: number): void {
    this.#attribute(type, 4);
    this.#at = this.bytes.writeUInt32BE(value, this.#at);
  }

  #handle(type: number, value: number): void {
    this.#attribute(type, 8);
    this.#at = this.bytes.writeBigUInt64BE(BigInt(value), this.#at);
  }

  #u16(value: number): void {
    this.#at = this.bytes.writeUInt16LE(value, this.#at);
  }

  #u32(value: number): void {
    this.#at = this.bytes.writeUInt32LE(value, this.#at);
  }
}
