/** Reads our table as the kernel dumps it, and tells whether its sets, chains and rules are what they should be. */
import type { Family } from '../../../core/address.js';
import { mapTable, type SetShape } from '../../../core/port-map/table.js';
import { portMapTable } from '../../../core/rules/chains/own-chains.js';
import {
  attribute,
  flag,
  type NetlinkRequest,
  readAttributeList,
  readAttributes,
  readNested,
  readText,
  text,
} from '../../netlink/netlink-message.js';
import { familyHeader, subsystem } from '../nft-rule-messages.js';
import { hookNumber, mapFlag } from './batch.js';
import { lengthOf } from './elements.js';
import { ruleExpressions } from './rules.js';

const message = { table: 0, chain: 3, rule: 6, set: 9, elements: 12 } as const;
const nfgenLength = 4;
const table = attribute(1, text(portMapTable));

const request = (
  family: Family,
  kind: keyof typeof message,
  ...more: readonly Buffer[]
): NetlinkRequest => ({
  // NFT_MSG_GET… is one more than NFT_MSG_NEW….
  type: (subsystem << 8) | (message[kind] + 1),
  flags: flag.dump,
  body: Buffer.concat([familyHeader[family], ...more]),
});

/** Dumps of all that a family has; the answers are told apart by {@link parsePart}. */
export const structureRequests = (family: Family): NetlinkRequest[] => [
  request(family, 'table'),
  request(family, 'set', table),
  request(family, 'chain'),
  request(family, 'rule', table),
];

export const elementsRequest = (family: Family, set: string): NetlinkRequest =>
  request(family, 'elements', table, attribute(2, text(set)));

/** The list of elements in an answer; undefined for other messages. */
export function elementList(type: number, body: Buffer): Buffer | undefined {
  if (type !== ((subsystem << 8) | message.elements)) return undefined;
  return readAttributes(body.subarray(nfgenLength)).get(3);
}

export type MapPart =
  | { readonly kind: 'table'; readonly dormant: boolean }
  /** A text that is equal for equal sets, and for equal chains. */
  | { readonly kind: 'set' | 'chain'; readonly name: string; readonly words: string }
  | { readonly kind: 'rule'; readonly chain: string; readonly expressions: readonly Buffer[] };

/** Reads a part of our table from an answer; undefined for what belongs to other tables. It keeps no bytes of the body. */
export function parsePart(type: number, body: Buffer): MapPart | undefined {
  const attributes = readAttributes(body.subarray(nfgenLength));
  if (readText(attributes, 1) !== portMapTable) return undefined;
  const number = (kind: number): number => attributes.get(kind)?.readUInt32BE(0) ?? 0;
  switch (type ^ (subsystem << 8)) {
    case message.table:
      return { kind: 'table', dormant: (number(2) & 1) !== 0 };
    case message.set: {
      const words = setWords(number(3), number(5), number(7));
      return { kind: 'set', name: readText(attributes, 2) ?? '', words };
    }
    case message.chain: {
      const hook = readNested(attributes, 4);
      const at = hook.get(1)?.readUInt32BE(0);
      const priority = hook.get(2)?.readInt32BE(0);
      const accepts = at === undefined || number(5) === 1;
      const words = chainWords(readText(attributes, 7), at, priority, accepts);
      return { kind: 'chain', name: readText(attributes, 3) ?? '', words };
    }
    case message.rule: {
      const expressions = readAttributeList(attributes.get(4)).map((each) => Buffer.from(each));
      return { kind: 'rule', chain: readText(attributes, 2) ?? '', expressions };
    }
    default:
      return undefined;
  }
}

/** Whether these parts are everything that the family's table should have, and nothing else. */
export function isIntact(family: Family, parts: readonly MapPart[]): boolean {
  const { sets, chains } = mapTable(family);
  const wanted = [
    ...sets.map((set) => `set ${set.name} ${wordsOfSet(set, family)}`),
    ...chains.map(({ name, base }) => {
      const words =
        base === undefined
          ? chainWords(undefined, undefined, undefined, true)
          : chainWords(base.type, hookNumber[base.hook], base.priority, true);
      return `chain ${name} ${words}`;
    }),
  ];
  const found = parts.flatMap((part) =>
    'words' in part ? [`${part.kind} ${part.name} ${part.words}`] : [],
  );
  const tables = parts.flatMap((part) => (part.kind === 'table' ? [part.dormant] : []));
  if (tables.length !== 1 || tables[0] === true) return false;
  if (found.sort().join('\n') !== wanted.sort().join('\n')) return false;
  return chains.every(({ name, rules }) => {
    const own = parts.flatMap((part) =>
      part.kind === 'rule' && part.chain === name ? [part.expressions] : [],
    );
    const all = rules.map((rule) =>
      readAttributeList(Buffer.concat(ruleExpressions(rule, family))),
    );
    return own.length === all.length && all.every((rule, at) => isSameRule(rule, own[at] ?? []));
  });
}

const wordsOfSet = ({ key, data }: SetShape, family: Family): string =>
  setWords(
    data === undefined ? 0 : mapFlag,
    lengthOf(key, family),
    data === undefined ? 0 : lengthOf(data, family),
  );

const setWords = (flags: number, key: number, data: number): string =>
  `flags ${flags} key ${key} data ${data}`;

const chainWords = (
  type: string | undefined,
  hook: number | undefined,
  priority: number | undefined,
  accepts: boolean,
): string => `${type} ${hook} ${priority} ${accepts}`;

function isSameRule(wanted: readonly Buffer[], found: readonly Buffer[]): boolean {
  return (
    wanted.length === found.length &&
    wanted.every((each, at) => has(found[at] ?? Buffer.alloc(0), each))
  );
}

/** Whether `found` is `wanted`, or attributes among which are all that `wanted` has: newer kernels dump more of them. */
function has(found: Buffer, wanted: Buffer): boolean {
  if (found.equals(wanted)) return true;
  if (!isList(found) || !isList(wanted)) return false;
  const among = readAttributes(found);
  return [...readAttributes(wanted)].every(([type, bytes]) => {
    const other = among.get(type);
    return other !== undefined && has(other, bytes);
  });
}

/** Whether the bytes are attributes one behind the other. */
function isList(bytes: Buffer): boolean {
  let at = 0;
  while (at + 4 <= bytes.length) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) return false;
    at += (length + 3) & ~3;
  }
  return at >= bytes.length && bytes.length > 0;
}
