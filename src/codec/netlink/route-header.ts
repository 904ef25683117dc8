/** struct rtmsg, with which every message of rtnetlink about routes begins. */
import { type Family, familyNumber } from '../../core/address.js';

export const rtm = { newRoute: 24, deleteRoute: 25, getRoute: 26 } as const;
/** RT_TABLE_MAIN. */
export const mainTable = 254;
/** RT_SCOPE_*. */
export const scope = { universe: 0, link: 253, nowhere: 255 } as const;
/** In bytes. */
export const rtmsgLength = 12;
/** Where the fields are, in bytes; the flags have four, the others one. */
export const rtmsg = {
  family: 0,
  prefix: 1,
  table: 4,
  protocol: 5,
  scope: 6,
  type: 7,
  flags: 8,
} as const;

/** A header of the main table; a field that is not given is 0. */
export function routeHeader(
  family: Family,
  fields: Partial<Record<'prefix' | 'protocol' | 'scope' | 'type', number>>,
): Buffer {
  const bytes = Buffer.alloc(rtmsgLength);
  bytes[rtmsg.family] = familyNumber[family];
  bytes[rtmsg.prefix] = fields.prefix ?? 0;
  bytes[rtmsg.table] = mainTable;
  bytes[rtmsg.protocol] = fields.protocol ?? 0;
  bytes[rtmsg.scope] = fields.scope ?? 0;
  bytes[rtmsg.type] = fields.type ?? 0;
  return bytes;
}
