/** The transactions that make, change and remove our table, in the kernel's bytes (linux/netfilter/nf_tables.h). */
import type { Family } from '../../../core/address.js';
import type { Element } from '../../../core/port-map/elements.js';
import type { MapChange } from '../../../core/port-map/plan.js';
import {
  type Field,
  type MapChain,
  mapTable,
  type SetName,
  type SetShape,
} from '../../../core/port-map/table.js';
import { portMapTable } from '../../../core/rules/chains/own-chains.js';
import {
  attribute,
  flag,
  formatRequest,
  type NetlinkRequest,
  nested,
  text,
  u32Be,
} from '../../netlink/netlink-message.js';
import { familyHeader, subsystem } from '../nft-rule-messages.js';
import type { RuleBatch } from '../rule-batch.js';
import { elementBytes, lengthOf } from './elements.js';
import { ruleExpressions } from './rules.js';

const message = {
  batchBegin: 0x10,
  batchEnd: 0x11,
  newTable: (subsystem << 8) | 0,
  deleteTable: (subsystem << 8) | 2,
  newChain: (subsystem << 8) | 3,
  newRule: (subsystem << 8) | 6,
  newSet: (subsystem << 8) | 9,
  newElements: (subsystem << 8) | 12,
  deleteElements: (subsystem << 8) | 14,
} as const;
const batchHeader = Buffer.from([0, 0, 0, subsystem]);
const table = attribute(1, text(portMapTable));
/** The list of a message is one attribute, of at most 64 KB; an element of IPv6 has some 80 bytes. */
const elementsInMessage = 500;

/** nft's numbers of the types of a set's values; in a concatenation six bits each. */
const typeNumber: Readonly<Record<Family, Readonly<Record<Field, number>>>> = {
  4: { address: 7, name: 41, protocol: 12, port: 13 },
  6: { address: 8, name: 41, protocol: 12, port: 13 },
};
export const hookNumber = { prerouting: 0, output: 3, postrouting: 4 } as const;
/** NFT_SET_MAP */
export const mapFlag = 8;

/** The messages of one transaction, which the kernel carries out as a whole or not at all. */
export function mapBatch(family: Family, change: MapChange): RuleBatch {
  const requests = requestsOf(family, change);
  const last = requests.length;
  const framed = [
    { type: message.batchBegin, flags: 0, body: batchHeader },
    ...requests.map((each, index) =>
      index + 1 === last ? { ...each, flags: each.flags | flag.ack } : each,
    ),
    { type: message.batchEnd, flags: 0, body: batchHeader },
  ];
  return { bytes: Buffer.concat(framed.map(formatRequest)), last };
}

function requestsOf(family: Family, change: MapChange): NetlinkRequest[] {
  const request = (type: number, flags: number, ...body: readonly Buffer[]): NetlinkRequest => {
    return { type, flags, body: Buffer.concat([familyHeader[family], ...body]) };
  };
  const make = request(message.newTable, flag.create, table);
  const remove = request(message.deleteTable, 0, table);
  // A table that is not there cannot be removed: it is made first.
  if (change.op === 'remove') return [make, remove];
  const elements = (type: number, flags: number, some: readonly Element[]): NetlinkRequest[] =>
    elementLists(family, some, type === message.deleteElements).map(({ set, list }) =>
      request(type, flags, table, attribute(2, text(set)), nested(3, ...list)),
    );
  if (change.op === 'change') {
    // Removed before others are added: the same key may be added with other data.
    return [
      ...elements(message.deleteElements, 0, change.remove),
      ...elements(message.newElements, flag.create, change.add),
    ];
  }
  const { sets, chains } = mapTable(family);
  return [
    ...[make, remove, make],
    ...sets.map((set, index) =>
      request(message.newSet, flag.create, ...setBody(set, index, family)),
    ),
    ...chains.map((chain) => request(message.newChain, flag.create, ...chainBody(chain))),
    ...chains.flatMap(({ name, rules }) =>
      rules.map((rule) => {
        const expressions = nested(4, ...ruleExpressions(rule, family));
        const named = [table, attribute(2, text(name))];
        return request(message.newRule, flag.create | flag.append, ...named, expressions);
      }),
    ),
    ...elements(message.newElements, flag.create, change.elements),
  ];
}

function setBody({ name, key, data }: SetShape, index: number, family: Family): Buffer[] {
  const type = (fields: readonly Field[]): number =>
    fields.reduce((number, field) => (number << 6) | typeNumber[family][field], 0);
  const number = (kind: number, value: number) => attribute(kind, u32Be(value));
  // What nft keeps in user data: names are in the host's byte order.
  const order = Buffer.from([0, 4, key.length === 1 ? 1 : 0, 0, 0, 0]);
  const dataOrder = Buffer.from([1, 4, 0, 0, 0, 0]);
  return [
    ...[table, attribute(2, text(name)), number(3, data === undefined ? 0 : mapFlag)],
    ...[number(4, type(key)), number(5, lengthOf(key, family))],
    ...(data === undefined ? [] : [number(6, type(data)), number(7, lengthOf(data, family))]),
    number(10, index + 1),
    attribute(13, data === undefined ? order : Buffer.concat([order, dataOrder])),
  ];
}

function chainBody({ name, base }: MapChain): Buffer[] {
  const named = [table, attribute(3, text(name))];
  if (base === undefined) return named;
  const priority = Buffer.alloc(4);
  priority.writeInt32BE(base.priority);
  const hook = nested(4, attribute(1, u32Be(hookNumber[base.hook])), attribute(2, priority));
  // NF_ACCEPT
  return [...named, hook, attribute(5, u32Be(1)), attribute(7, text(base.type))];
}

/** The elements by their sets, as many in each list as one message takes. */
function elementLists(
  family: Family,
  elements: readonly Element[],
  keyOnly: boolean,
): { readonly set: SetName; readonly list: readonly Buffer[] }[] {
  const { sets } = mapTable(family);
  return sets.flatMap((shape) => {
    const own = elements.filter(({ set }) => set === shape.name);
    const lists: { set: SetName; list: Buffer[] }[] = [];
    for (let at = 0; at < own.length; at += elementsInMessage) {
      const some = own.slice(at, at + elementsInMessage);
      const list = some.map((element) => elementBytes(element, shape, family, keyOnly));
      lists.push({ set: shape.name, list });
    }
    return lists;
  });
}
