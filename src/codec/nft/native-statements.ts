/** Statements of nft's rules, as `nft -jn` lists them. */
import { parseIp } from '../../core/address.js';
import type { RuleTarget } from '../../core/explain/chains/rule-table.js';
import type { Statement } from '../../core/explain/native/native-table.js';
import { ipProtocols } from '../../core/explain/packet.js';
import {
  fieldsOf,
  type Json,
  readElements,
  readExpression,
  readMap,
  readVerdict,
} from './native-expressions.js';

/** They count, say, or set what no rule looks at. */
const harmless: ReadonlySet<string> = new Set([
  ...['counter', 'log', 'comment', 'ct helper', 'ct timeout', 'ct expectation'],
]);
const harmlessMeta: ReadonlySet<unknown> = new Set(['priority', 'nftrace']);
const operators = ['==', '!=', '<', '>', '<=', '>=', 'in', '!'] as const;

/**
 * undefined: it does nothing to the packet.
 *
 * @param json of one statement
 * @param words the whole rule, for a sentence
 */
export function readStatement(json: unknown, words: string): Statement | undefined {
  const fields = fieldsOf(json);
  const [key = ''] = Object.keys(fields);
  if (harmless.has(key)) return undefined;
  const verdict = readVerdict(json);
  if (verdict !== undefined) return { kind: 'verdict', verdict };
  const value = fieldsOf(fields[key]);
  switch (key) {
    case 'match':
      return readMatch(value, words);
    case 'vmap':
      return {
        kind: 'verdict-map',
        key: readExpression(value.key),
        data: readMap(value.data),
        words,
      };
    case 'reject':
      return { kind: 'reject', ...aboutReject(value.type) };
    case 'mangle':
      return readMangle(value, words);
    case 'notrack':
      return { kind: 'notrack' };
    case 'dnat':
    case 'snat':
    case 'redirect':
    case 'masquerade':
      return readTranslation(key, value, words);
    default:
      return decides.has(key)
        ? {
            kind: 'verdict',
            verdict: { kind: 'other', words: `statement ${key} of “${words}” decides` },
          }
        : { kind: 'condition', words: `statement ${key} of “${words}” lets it go on` };
  }
}

/** Statements that take the packet elsewhere, and rules of iptables that nft does not understand. */
const decides: ReadonlySet<string> = new Set(['tproxy', 'synproxy', 'fwd', 'flow', 'xt']);

function readMatch({ op, left, right }: Json, words: string): Statement {
  const operator = operators.find((each) => each === op);
  if (operator === undefined) return { kind: 'condition', words: `all of “${words}” holds` };
  const elements = readElements(right);
  return { kind: 'match', operator, left: readExpression(left), right: elements, words };
}

function aboutReject(type: unknown): { family?: 4 | 6; protocol?: number } {
  if (type === 'icmp') return { family: 4 };
  if (type === 'icmpv6') return { family: 6 };
  return type === 'tcp reset' ? { protocol: ipProtocols.tcp } : {};
}

function readMangle({ key, value }: Json, words: string): Statement | undefined {
  const { meta, ct } = fieldsOf(key);
  const [ofPacket, ofFlow] = [fieldsOf(meta).key, fieldsOf(ct).key];
  if (harmlessMeta.has(ofPacket)) return undefined;
  if (ofPacket === 'mark') return { kind: 'mark', of: 'packet', value: readExpression(value) };
  if (ofFlow === 'mark') return { kind: 'mark', of: 'flow', value: readExpression(value) };
  // The kernel leaves the rule if the packet has no such option; no rule that is understood here looks at it.
  if ('tcp option' in fieldsOf(key))
    return { kind: 'condition', words: `“${words}” finds its option in the packet` };
  return {
    kind: 'verdict',
    verdict: { kind: 'other', words: `what “${words}” changes is not understood` },
  };
}

const names = {
  dnat: 'DNAT',
  snat: 'SNAT',
  redirect: 'REDIRECT',
  masquerade: 'MASQUERADE',
} as const;
const flagOf = { dnat: '--to-destination', snat: '--to-source', redirect: '--to-ports' } as const;

function readTranslation(
  key: keyof typeof names,
  { addr, port, family, flags }: Json,
  words: string,
): Statement {
  const unread: Statement = {
    kind: 'verdict',
    verdict: { kind: 'other', words: `the translation of “${words}” is not understood` },
  };
  const about = family === 'ip' ? 4 : family === 'ip6' ? 6 : undefined;
  const target = (options: RuleTarget['options']): Statement => ({
    kind: 'translate',
    ...(about === undefined ? {} : { family: about }),
    target: { name: names[key], goto: false, options },
  });
  if (key === 'masquerade') return target([]);
  const { map } = fieldsOf(addr);
  if (map !== undefined && key !== 'redirect' && port === undefined && flags === undefined) {
    return {
      kind: 'translate-by-map',
      ...(about === undefined ? {} : { family: about }),
      target: (address) => ({
        name: names[key],
        goto: false,
        options: [option(flagOf[key], address)],
      }),
      key: readExpression(fieldsOf(map).key),
      data: readMap(fieldsOf(map).data),
      words,
    };
  }
  const address = addr === undefined ? '' : typeof addr === 'string' ? parseIp(addr) : undefined;
  const ports = portsIn(port);
  const isDrawn = [flags].flat().some((flag) => flag === 'random' || flag === 'fully-random');
  // From several addresses or ports the kernel chooses one by a hash or at random, which cannot be foretold.
  if (address === undefined || ports === undefined || (isDrawn && ports.includes('-')))
    return unread;
  if (key === 'redirect') return target(ports === '' ? [] : [option(flagOf[key], ports)]);
  const host = address.includes(':') && ports !== '' ? `[${address}]` : address;
  return target([option(flagOf[key], ports === '' ? host : `${host}:${ports}`)]);
}

const option = (flag: string, value: string) => ({ flag, negated: false, values: [value] });

/** `80`, `80-90`, empty; undefined for what is taken from elsewhere. */
function portsIn(port: unknown): string | undefined {
  if (port === undefined) return '';
  if (typeof port === 'number') return String(port);
  const { range } = fieldsOf(port);
  return Array.isArray(range) ? range.join('-') : undefined;
}
