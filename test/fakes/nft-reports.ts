/** Reports of nf_tables, laid out as the kernel does (net/netfilter/nf_tables_api.c). */

import {
  attribute,
  headerLength,
  text,
  u32,
  u64Be,
} from '../../src/codec/netlink/netlink-message.js';
import { nftEvent } from '../../src/codec/nf-tables/nft-events.js';

export const nftFamily = { inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 } as const;

const events = { ...nftEvent, newSet: 9, newElement: 12 };
export type What = keyof typeof events;

export interface Details {
  readonly chain?: string;
  readonly handle?: number;
  readonly portId?: number;
}

export function report(
  what: What,
  family: number,
  table: string,
  { chain, handle, portId = 0 }: Details = {},
): Buffer {
  const isChain = what === 'newChain' || what === 'deleteChain';
  return message(events[what], portId, [
    Buffer.from([family, 0, 0, 0]),
    attribute(1, text(table)),
    ...(chain !== undefined && isChain ? [attribute(2, u64Be(3)), attribute(3, text(chain))] : []),
    ...(chain !== undefined && !isChain ? [attribute(2, text(chain))] : []),
    ...(handle === undefined ? [] : [attribute(3, u64Be(handle))]),
  ]);
}

/** The end of a transaction. */
export function generation(
  writer: { readonly pid?: number; readonly program?: string; readonly portId?: number } = {},
): Buffer {
  const { pid = 1, program = 'nft', portId = pid } = writer;
  const bePid = u32(pid).reverse();
  return message(events.newGeneration, portId, [
    Buffer.from([0, 0, 0, 0]),
    attribute(1, u32(7).reverse()),
    attribute(2, bePid),
    attribute(3, text(program)),
  ]);
}

function message(event: number, portId: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const header = Buffer.alloc(headerLength);
  header.writeUInt32LE(headerLength + body.length, 0);
  header.writeUInt16LE((10 << 8) | event, 4);
  header.writeUInt32LE(portId, 12);
  return Buffer.concat([header, body]);
}
