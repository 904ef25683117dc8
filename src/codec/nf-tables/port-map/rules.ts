/** The rules of our table (core/port-map/table.ts) as the kernel's expressions, in nft's way (linux/netfilter/nf_tables.h). */
import { type Cidr, type Family, familyNumber } from '../../../core/address.js';
import { loopbackNetwork } from '../../../core/generations/ports/nat.js';
import type { Source, Statement } from '../../../core/port-map/table.js';
import { attribute, text } from '../../netlink/netlink-message.js';
import * as nft from '../../nft/nft-statements.js';

const { expression, number, value } = nft;

/** IPS_DST_NAT of a flow's status, in the host's byte order. */
const destinationTranslated = new Uint8Array(Uint32Array.of(0x20).buffer);
const linkLocal = { family: 6, address: 'fe80::', prefixLength: 10 } as Cidr;
/** How many registers of four bytes each property takes. */
const words: Readonly<Record<Family, Readonly<Record<Source, number>>>> = {
  4: { destination: 1, source: 1, 'in-interface': 4, protocol: 1, port: 1 },
  6: { destination: 4, source: 4, 'in-interface': 4, protocol: 1, port: 1 },
};

export function ruleExpressions(rule: readonly Statement[], family: Family): nft.Expression[] {
  return rule.flatMap((statement) => statementExpressions(statement, family));
}

function statementExpressions(statement: Statement, family: Family): nft.Expression[] {
  switch (statement.kind) {
    case 'local':
      return nft.goesToHost(statement.not);
    case 'to-loopback':
      return nft.addressIs('destination', loopbackNetwork(family), statement.not);
    case 'not-from-lo':
      return nft.arrivesBy('lo', true);
    case 'from-link-local':
      return nft.addressIs('source', linkLocal);
    case 'translated':
      return translated();
    case 'in':
      return [...load(statement.key, family), lookup(statement.set)];
    case 'translate':
      return translate(family, statement.bits);
    case 'masquerade':
      return [expression('masq')];
    case 'drop':
      return nft.drop();
    case 'return':
      return nft.goBack();
    case 'goto':
      return nft.goTo(statement.chain);
  }
}

/** NFT_REG_1 to 4 have 16 bytes, NFT_REG32_00 to 15 are their quarters. @param word from the first register's start */
const register = (word: number): number => (word % 4 === 0 ? 1 + word / 4 : 8 + word);

/** Loads the parts of a key one behind the other, as a set's key has them. */
function load(key: readonly Source[], family: Family): nft.Expression[] {
  let word = 0;
  return key.map((source) => {
    const to = register(word);
    word += words[family][source];
    return loadTo(source, family, to);
  });
}

function loadTo(source: Source, family: Family, to: number): nft.Expression {
  const meta = (key: number) => expression('meta', number(2, key), number(1, to));
  const payload = (base: number, offset: number, length: number) =>
    expression(
      'payload',
      ...[number(1, to), number(2, base), number(3, offset), number(4, length)],
    );
  const length = family === 4 ? 4 : 16;
  switch (source) {
    case 'destination':
      return payload(1, family === 4 ? 16 : 24, length);
    case 'source':
      return payload(1, family === 4 ? 12 : 8, length);
    case 'in-interface':
      return meta(6);
    case 'protocol':
      return meta(16);
    case 'port':
      return payload(2, 2, 2);
  }
}

const lookup = (set: string): nft.Expression =>
  expression('lookup', number(2, 1), attribute(1, text(set)));

function translated(): nft.Expression[] {
  const none = new Uint8Array(4);
  // NFT_CT_STATUS; the bit, and whether it is not 0.
  return [
    expression('ct', number(2, 2), number(1, 1)),
    expression(
      'bitwise',
      ...[number(1, 1), number(2, 1), number(3, 4)],
      ...[value(4, destinationTranslated), value(5, none)],
    ),
    expression('cmp', number(1, 1), number(2, 1), value(3, none)),
  ];
}

function translate(family: Family, bits: number | undefined): nft.Expression[] {
  const [address, ...others] = load(['destination', 'protocol', 'port'], family);
  const length = family === 4 ? 4 : 16;
  const mask = new Uint8Array(length).fill(0xff, 0, (bits ?? 0) / 8);
  const masking = expression(
    'bitwise',
    ...[number(1, 1), number(2, 1), number(3, length)],
    ...[value(4, mask), value(5, new Uint8Array(length))],
  );
  return [
    ...(address === undefined ? [] : [address]),
    ...(bits === undefined ? [] : [masking]),
    ...others,
    expression('lookup', number(2, 1), number(3, 1), attribute(1, text('ports'))),
    // NFT_NAT_DNAT, from the registers that the map's data was loaded to: address, then port.
    expression(
      'nat',
      ...[number(1, 1), number(2, familyNumber[family])],
      ...[number(3, 1), number(5, register(length / 4))],
    ),
  ];
}
