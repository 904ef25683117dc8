/**
 * Elements of our sets as the kernel's bytes, both ways: the parts of a key stand one behind the other, each padded to
 * four bytes.
 */
import {
  addressBytes,
  addressFromBytes,
  type Family,
  type IpAddress,
} from '../../../core/address.js';
import type { Element, Part } from '../../../core/port-map/elements.js';
import { type Field, mapTable, type SetName, type SetShape } from '../../../core/port-map/table.js';
import {
  align,
  nested,
  readAttributeList,
  readAttributes,
  readNested,
} from '../../netlink/netlink-message.js';
import { value } from '../../nft/nft-statements.js';

const elementAttribute = { key: 1, data: 2 } as const;
const dataValue = 1;

export const fieldLength = (field: Field, family: Family): number =>
  ({ address: family === 4 ? 4 : 16, name: 16, protocol: 1, port: 2 })[field];

/** The length of a key or of its data in bytes, which the kernel is told when a set is made. */
export const lengthOf = (fields: readonly Field[], family: Family): number =>
  fields.reduce((length, field) => length + align(fieldLength(field, family)), 0);

export function shapeOf(set: SetName, family: Family): SetShape | undefined {
  return mapTable(family).sets.find(({ name }) => name === set);
}

/** NFTA_LIST_ELEM of an element. @param keyOnly without data, as the kernel wants an element that is to be removed */
export function elementBytes(
  { key, data }: Element,
  shape: SetShape,
  family: Family,
  keyOnly: boolean,
): Buffer {
  const named = value(elementAttribute.key, partBytes(key, shape.key, family));
  if (keyOnly || data === undefined || shape.data === undefined) return nested(1, named);
  return nested(1, named, value(elementAttribute.data, partBytes(data, shape.data, family)));
}

function partBytes(parts: readonly Part[], fields: readonly Field[], family: Family): Buffer {
  const bytes = Buffer.alloc(lengthOf(fields, family));
  let at = 0;
  for (const [index, field] of fields.entries()) {
    const part = parts[index] as Part;
    if (field === 'address') bytes.set(addressBytes(part as IpAddress), at);
    else if (field === 'name') bytes.write(String(part).slice(0, 15), at);
    else if (field === 'protocol') bytes.writeUInt8(Number(part), at);
    else bytes.writeUInt16BE(Number(part), at);
    at += align(fieldLength(field, family));
  }
  return bytes;
}

/** Reads the elements of one message of a dump: NFTA_SET_ELEM_LIST_ELEMENTS. */
export function readElements(
  list: Buffer | undefined,
  { name, key, data }: SetShape,
  family: Family,
): Element[] {
  return readAttributeList(list).flatMap((each) => {
    const attributes = readAttributes(each);
    const keyBytes = readNested(attributes, elementAttribute.key).get(dataValue);
    const dataBytes = readNested(attributes, elementAttribute.data).get(dataValue);
    if (keyBytes?.length !== lengthOf(key, family)) return [];
    const element = { set: name, key: readParts(keyBytes, key, family) };
    if (data === undefined || dataBytes?.length !== lengthOf(data, family)) return [element];
    return [{ ...element, data: readParts(dataBytes, data, family) }];
  });
}

function readParts(bytes: Buffer, fields: readonly Field[], family: Family): Part[] {
  let at = 0;
  return fields.map((field) => {
    const length = fieldLength(field, family);
    const part = bytes.subarray(at, at + length);
    at += align(length);
    if (field === 'address') return addressFromBytes(part);
    if (field === 'protocol') return part.readUInt8();
    if (field === 'port') return part.readUInt16BE();
    const end = part.indexOf(0);
    return part.toString('utf8', 0, end < 0 ? length : end);
  });
}
