/** Values that are lists: items joined with `,` or `;`, each with its own reason if it is invalid. */
import { type Cidr, cidrText, hostCidr, networkOf, parseCidr, parseIp } from '../address.js';
import type { OptionReader } from './option-reader.js';

/** What a parser returns for an item that it does not understand, or whose value this network cannot have. */
export interface InvalidItem {
  readonly reason: string;
}

export const invalidItem = (reason: string): InvalidItem => ({ reason });

const isInvalid = (value: unknown): value is InvalidItem =>
  typeof value === 'object' && value !== null && 'reason' in value;

/**
 * Commas cannot stand in `docker run --network name=N,driver-opt=…`, so semicolons do there.
 *
 * @returns the items that were understood, each once; undefined if the option is not given
 */
export function readList<T>(
  read: OptionReader,
  name: string,
  parse: (item: string) => T | InvalidItem,
): readonly T[] | undefined {
  const text = read.text(name);
  if (text === undefined) return undefined;
  const items = text.split(/[,;]/).map((item) => item.trim());
  if (items.every((item) => item === '')) {
    read.refuse(name, text, 'an empty list: leave the option out');
  }
  return [...new Set(items)].flatMap((item) => {
    if (item === '') return [];
    const value = parse(item);
    if (!isInvalid(value)) return [value];
    read.refuse(name, item, value.reason);
    return [];
  });
}

/** A prefix whose address has no bit set behind it: `10.1.0.0/24`. */
export function parsePrefix(text: string): Cidr | InvalidItem {
  const cidr = parseCidr(text);
  if (cidr === undefined) {
    const address = parseIp(text);
    const hint = address === undefined ? '' : `; did you mean ${cidrText(hostCidr(address))}?`;
    return invalidItem(`not a prefix: use ADDRESS/LENGTH, e.g. 10.1.0.0/24${hint}`);
  }
  const network = networkOf(cidr);
  if (network.address === cidr.address) return cidr;
  return invalidItem(
    `an address in a network, not the network: did you mean ${cidrText(network)}?`,
  );
}
