/**
 * Other names and addresses in place of those of the host. The same always becomes the same within a bundle, and
 * addresses that share the first bits (8 or more) still do, so that rules, routes and addresses fit together.
 */
import { createHmac } from 'node:crypto';
import ipaddr from 'ipaddr.js';

export interface Anonymiser {
  name(name: string): string;
  /** Replaces addresses and MAC addresses in a text. */
  text(text: string): string;
}

const ipv4 = /(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])/g;
/** Also what only looks like one, such as a time: it is looked at by the parser. */
const ipv6 =
  /(?<![\w:.])(?:[0-9a-fA-F]{0,4}:){2,7}(?:[0-9a-fA-F]{0,4}|(?:\d{1,3}\.){3}\d{1,3})(?![\w:.])/g;
const mac = /(?<![\w:])((?:[0-9a-f]{2}:){3})((?:[0-9a-f]{2}:){2}[0-9a-f]{2})(?![\w:])/gi;
/** First bytes of which at least a part is no public address. */
const mixed = new Set([100, 169, 172, 192, 198, 203]);
const notPublic = new Set([0, 10, 127]);

/** @param key a random one for each bundle: without it, nobody finds the addresses by trying them */
export function anonymiser(key: Uint8Array): Anonymiser {
  const names = new Map<string, string>();
  const bit = (prefix: string): number =>
    (createHmac('sha256', key).update(prefix).digest()[0] ?? 0) & 1;
  const firstBytes = shuffled(key);
  /** Each bit is turned or not, by the bits before it (Xu et al., "Prefix-preserving IP address anonymization"). */
  const turned = (family: string, bits: string, from: number): string => {
    let out = '';
    for (let index = from; index < bits.length; index += 1) {
      out += Number(bits[index]) ^ bit(`${family} ${bits.slice(0, index)}`);
    }
    return out;
  };
  const address = (text: string): string => {
    if (!ipaddr.isValid(text)) return text;
    const parsed = ipaddr.parse(text);
    if (!['unicast', '6to4', 'teredo'].includes(parsed.range())) return text;
    const bytes = parsed.toByteArray();
    const bits = bytes.map((byte) => byte.toString(2).padStart(8, '0')).join('');
    if (bytes.length === 4) {
      const rest = bytesOf(turned('4', bits, 8));
      return [firstBytes.get(bytes[0] ?? 0) ?? 240, ...rest].join('.');
    }
    const rest = bytesOf(turned('6', bits, 32));
    return ipaddr.fromByteArray([0x20, 0x01, 0x0d, 0xb8, ...rest]).toString();
  };
  return {
    name(name) {
      const known = names.get(name) ?? `name-${names.size + 1}`;
      names.set(name, known);
      return known;
    },
    text: (text) =>
      text
        .replace(mac, (_, maker: string, rest: string) => {
          const digest = createHmac('sha256', key).update(`mac ${maker}${rest}`).digest('hex');
          return `${maker}${digest.slice(0, 2)}:${digest.slice(2, 4)}:${digest.slice(4, 6)}`;
        })
        .replace(ipv6, address)
        .replace(ipv4, address),
  };
}

/** Public first bytes become others; those of class E (240 and more) stand for bytes that are public in part. */
function shuffled(key: Uint8Array): Map<number, number> {
  const pure = Array.from({ length: 223 }, (_, index) => index + 1).filter(
    (byte) => !mixed.has(byte) && !notPublic.has(byte),
  );
  const sources = [...pure, ...mixed];
  const rank = (byte: number): string =>
    createHmac('sha256', key).update(`first ${byte}`).digest('hex');
  const targets = [...pure, ...[...mixed].map((_, index) => 240 + index)].sort((a, b) =>
    rank(a) < rank(b) ? -1 : 1,
  );
  return new Map(sources.map((byte, index) => [byte, targets[index] ?? 240]));
}

function bytesOf(bits: string): number[] {
  return (bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2));
}
