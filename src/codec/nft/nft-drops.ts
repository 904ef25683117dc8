/** Reads rules of iptables-nft that drop packets from the kernel's bytes, with their counters (linux/netfilter/nf_tables.h). */
import {
  type Attributes,
  readAttributeList,
  readAttributes,
  readNested,
  readText,
} from '../netlink/netlink-message.js';

export interface DroppingRule {
  /** The interfaces that the rule's matches name, in their order. */
  readonly interfaces: readonly string[];
  readonly packets: number;
}

const expression = { name: 1, data: 2 } as const;
const immediate = { data: 2 } as const;
const data = { value: 1, verdict: 2 } as const;
const verdict = { code: 1 } as const;
const counter = { packets: 2 } as const;
const meta = { key: 2 } as const;
const comparison = { data: 3 } as const;
/** Keys of `meta`: NFT_META_IIFNAME and NFT_META_OIFNAME. */
const interfaceKeys: readonly (number | undefined)[] = [6, 7];
const dropCode = 0;

/**
 * The interfaces and the counters of a rule that drops; undefined for any other rule.
 *
 * @param expressions as NFTA_RULE_EXPRESSIONS has them
 */
export function parseDroppingRule(expressions: Buffer): DroppingRule | undefined {
  const list = readAttributeList(expressions);
  const last = list.at(-1);
  // The last expression alone tells most rules that do not drop, which saves reading the others.
  if (last === undefined || !isDrop(readAttributes(last))) return undefined;
  const interfaces: string[] = [];
  let packets = 0;
  let loaded = false;
  for (const bytes of list) {
    const attributes = readAttributes(bytes);
    const parts = readNested(attributes, expression.data);
    switch (readText(attributes, expression.name)) {
      case 'counter':
        packets = readCount(parts.get(counter.packets));
        break;
      case 'meta':
        loaded = interfaceKeys.includes(readU32Be(parts.get(meta.key)));
        break;
      case 'cmp': {
        const value = readNested(parts, comparison.data).get(data.value);
        if (loaded && value !== undefined) interfaces.push(textOf(value));
        loaded = false;
        break;
      }
      default:
        loaded = false;
    }
  }
  return { interfaces, packets };
}

function isDrop(attributes: Attributes): boolean {
  if (readText(attributes, expression.name) !== 'immediate') return false;
  const value = readNested(readNested(attributes, expression.data), immediate.data);
  return readU32Be(readNested(value, data.verdict).get(verdict.code)) === dropCode;
}

function readU32Be(value: Buffer | undefined): number | undefined {
  return value?.length === 4 ? value.readUInt32BE(0) : undefined;
}

/** A counter of 64 bits; exact below 2^53. */
function readCount(value: Buffer | undefined): number {
  return value?.length === 8 ? Number(value.readBigUInt64BE(0)) : 0;
}

/** The name up to the first zero byte. Without a zero byte it is the beginning of names, which iptables writes `eth+`. */
function textOf(value: Buffer): string {
  const end = value.indexOf(0);
  return end < 0 ? `${value.toString('latin1')}+` : value.toString('latin1', 0, end);
}
