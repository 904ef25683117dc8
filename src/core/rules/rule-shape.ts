/**
 * A rule as a shape and values: rules of one shape differ in addresses, names and ports only, so that their
 * encodings for the kernel differ in these bytes only.
 */
import { addressBytes, type Cidr, type IpAddress } from '../address.js';
import type { PortMatch } from '../ports/port.js';
import { isNegated, type Matched, type Rule, unnegated } from './rule.js';

/** What takes the place of a gap in the encoding of a shape. */
export type RuleValue =
  | {
      readonly kind: 'address';
      readonly address: IpAddress;
      /** Bits; those after them count as 0. */
      readonly prefixLength: number;
    }
  /** An interface's or chain's name. */
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'port'; readonly port: number };

export interface ShapedRule {
  /** Equal for rules of the same shape, which then have as many values of the same kinds. */
  readonly shape: string;
  readonly values: readonly RuleValue[];
}

/** Shorter prefixes have too few values to tell where in a rule they stand. */
const shortestPrefix = 8;
/** iptables may write an open range in another way. */
const highestPort = 65_535;

/** undefined: rules of this kind are not taken apart. */
export function shapeOf({ family, table, matches, target }: Rule): ShapedRule | undefined {
  const values: RuleValue[] = [];
  let shape = `${family} ${table}`;
  const { source, destination, inInterface, outInterface, sourcePort, destinationPort } = matches;
  for (const [option, matched] of [
    [' -s', source],
    [' -d', destination],
  ] as const) {
    if (matched === undefined) continue;
    const cidr = unnegated(matched);
    if (cidr.prefixLength < shortestPrefix) return undefined;
    shape += `${negation(matched)}${option}/${cidr.prefixLength}`;
    values.push(addressValue(cidr));
  }
  for (const [option, matched] of [
    [' -i', inInterface],
    [' -o', outInterface],
  ] as const) {
    if (matched === undefined) continue;
    shape += negation(matched) + option;
    values.push({ kind: 'name', name: unnegated(matched) });
  }
  if (matches.protocol !== undefined) shape += ` -p ${matches.protocol}`;
  if (matches.localSource) shape += ' from-local';
  if (matches.localDestination) shape += ' to-local';
  if (matches.hostDestination) shape += ' to-host';
  if (matches.mark !== undefined) shape += ` mark ${matches.mark}`;
  if (matches.established) shape += ' established';
  if (matches.translated) shape += ' translated';
  for (const [option, port] of [
    [' --sport', sourcePort],
    [' --dport', destinationPort],
  ] as const) {
    if (port === undefined) continue;
    const kind = pushPorts(values, port);
    if (kind === undefined) return undefined;
    shape += option + kind;
  }
  const decision = targetShape(target, values);
  return decision === undefined ? undefined : { shape: shape + decision, values };
}

function targetShape(target: Rule['target'], values: RuleValue[]): string | undefined {
  if (typeof target === 'string') return ` ${target}`;
  if ('jump' in target) {
    values.push({ kind: 'name', name: target.jump });
    return ' jump';
  }
  const address = 'snat' in target ? target.snat : target.dnat.address;
  values.push(addressValue({ address, prefixLength: 128 }));
  if ('snat' in target) return ' snat';
  const { port, base } = target.dnat;
  if (port === undefined) return ' dnat';
  const kind = pushPorts(values, port);
  if (kind === undefined) return undefined;
  if (base === undefined) return ` dnat${kind}`;
  values.push({ kind: 'port', port: base });
  return ` dnat${kind}/base`;
}

const negation = <T>(matched: Matched<T>): string => (isNegated(matched) ? ' !' : '');

const addressValue = ({ address, prefixLength }: Omit<Cidr, 'family'>): RuleValue => ({
  kind: 'address',
  address,
  prefixLength,
});

/** Answers with the shape of the match; undefined for a range of one port, which iptables writes as a port. */
function pushPorts(values: RuleValue[], port: PortMatch): string | undefined {
  if (typeof port === 'number') {
    values.push({ kind: 'port', port });
    return '';
  }
  const { first, last } = port;
  if (first >= last) return undefined;
  values.push({ kind: 'port', port: first });
  if (last === highestPort) return ':65535';
  values.push({ kind: 'port', port: last });
  return ':';
}

/** In network byte order, with the bits after the prefix cleared; 4 or 16 bytes. */
export function maskedBytes(address: IpAddress, prefixLength: number): Uint8Array {
  const bytes = addressBytes(address);
  for (let index = prefixLength >> 3; index < bytes.length; index += 1) {
    const kept = Math.max(0, prefixLength - index * 8);
    bytes[index] = (bytes[index] ?? 0) & (0xff00 >> kept);
  }
  return bytes;
}
