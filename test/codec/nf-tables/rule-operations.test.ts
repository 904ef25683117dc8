import t from 'tap';
import {
  attribute,
  flag,
  formatRequest,
  messagesIn,
  text,
  u32Be,
  u64Be,
} from '../../../src/codec/netlink/netlink-message.js';
import {
  generationRequest,
  listAllRulesRequest,
  listTablesRequest,
  parseGeneration,
  parseReportedRule,
  parseTable,
  parseTableHandle,
  tableRequest,
} from '../../../src/codec/nf-tables/nft-rule-messages.js';
import { ruleBatch } from '../../../src/codec/nf-tables/rule-batch.js';
import {
  addedHandles,
  neededHandles,
  operationsOf,
  type RuleOperation,
} from '../../../src/codec/nf-tables/rule-operations.js';
import type { InterfaceName } from '../../../src/core/names.js';
import type { Port } from '../../../src/core/ports/port.js';
import { makeRule, type Rule, type Table } from '../../../src/core/rules/rule.js';
import type { RuleChange } from '../../../src/core/rules/rule-set.js';

const accept = (bridge: string, table: Table = 'filter') =>
  makeRule(4, table, 'DOCKER', { inInterface: bridge as InterfaceName }, 'ACCEPT');
const [a, b, c] = [accept('a'), accept('b'), accept('c')];
const append = (rule: Rule): RuleChange => ({ op: 'append', rule });
const remove = (rule: Rule): RuleChange => ({ op: 'delete', rule });

/** What the generator returns, at once. */
function finished<Result>(steps: Iterator<undefined, Result>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

const planned = (changes: readonly RuleChange[], handles: Record<string, number[]> = {}) =>
  finished(
    operationsOf(changes, {
      expressions: (rule) => (rule.target === 'DROP' ? undefined : Buffer.from('e')),
      handles: (rule) => handles[rule.text] ?? [],
    }),
  );

t.test('changes become operations in their order', async (t) => {
  const insert = (rule: Rule, position: number, below?: Rule): RuleChange =>
    below === undefined
      ? { op: 'insert', rule, position }
      : { op: 'insert', rule, position, below };
  const operations = planned([append(a), insert(b, 0), insert(c, 3, a), remove(accept('d'))], {
    '-i d -j ACCEPT': [9],
  });
  t.match(operations, [
    { op: 'add', rule: a, place: 'end', id: 1, echo: true },
    { op: 'add', rule: b, place: 'top', echo: false },
    { op: 'add', rule: c, place: { id: 1 }, echo: true },
    { op: 'delete', handle: 9 },
  ]);
  t.match(planned([insert(b, 2, a)], { [a.text]: [5] }), [{ place: { handle: 5 } }]);
  t.match(planned([remove(a), insert(b, 2, a)], { [a.text]: [5, 6] }), [
    { handle: 5 },
    { place: { handle: 6 } },
  ]);
  t.match(planned([remove(a), append(a)], { [a.text]: [5] }), [{ handle: 5 }, { place: 'end' }]);
});

t.test('what a transaction of ours cannot express has a reason', async (t) => {
  const chain = { op: 'create-chain', table: 'filter', chain: 'DOCKER' } as const;
  t.equal(planned([chain]), 'chains');
  t.equal(planned([remove(a)]), 'a rule not found');
  t.equal(planned([append(a), remove(a)], { [a.text]: [5] }), 'a rule not found');
  t.equal(planned([{ op: 'insert', rule: a, position: 4 }]), 'a place');
  t.equal(planned([{ op: 'insert', rule: a, position: 4, below: b }]), 'a place');
  t.equal(
    planned([append(makeRule(4, 'filter', 'DOCKER', {}, 'DROP'))]),
    'a rule of an unknown kind',
  );
});

t.test('handles are needed of what is deleted, and of what others are put below', async (t) => {
  const needed = neededHandles([
    { op: 'policy', table: 'filter', chain: 'FORWARD', policy: 'DROP' },
    remove(a),
    remove(a),
    { op: 'insert', rule: b, position: 2, below: a },
    { op: 'insert', rule: c, position: 2, below: b },
    { op: 'insert', rule: c, position: 0 },
    append(accept('d')),
  ]);
  t.same(
    [...needed].map(([{ text }, count]) => [text, count]),
    [[a.text, 3]],
  );
});

t.test('the first and the last handle of a table tell all of them', async (t) => {
  const nat = accept('n', 'nat');
  const operations = planned([append(a), append(nat), append(b), append(c)]) as RuleOperation[];
  t.same(
    operations.map((one) => one.op === 'add' && one.echo),
    [true, true, false, true],
  );
  const echo = (table: string, handle: number) => ({ family: 4, table, handle });
  const told = (...echoed: ReturnType<typeof echo>[]) =>
    [...addedHandles(operations, echoed)].map(([{ rule }, handle]) => [rule.text, handle]);
  const filter = [
    [a.text, 5],
    [b.text, 6],
    [c.text, 7],
  ];
  t.same(told(echo('filter', 5), echo('nat', 30), echo('filter', 7)), [...filter, [nat.text, 30]]);
  t.same(told(echo('filter', 5), echo('filter', 8), echo('nat', 30)), [[nat.text, 30]], 'a gap');
  t.same(told(), []);
});

/** Type, flags beside NLM_F_REQUEST, which each has, and body. */
const messages = (bytes: Buffer) =>
  [...messagesIn(bytes)].map(({ type, flags, start, end }) => [
    type,
    flags ^ flag.request,
    bytes.subarray(start, end).toString('hex'),
  ]);

t.test('a transaction has the bytes that nf_tables takes', async (t) => {
  const rule = makeRule(
    ...([4, 'nat', 'DOCKER'] as const),
    { protocol: 'tcp', destinationPort: 80 as Port },
    'RETURN',
  );
  const added = { op: 'add', rule, expressions: Buffer.from('0400', 'hex'), echo: false } as const;
  const operations: RuleOperation[] = [
    { ...added, place: 'end', id: 1, echo: true },
    { ...added, rule: a, place: 'top' },
    { ...added, place: { handle: 300 } },
    { ...added, place: { id: 1 } },
    { op: 'delete', rule, handle: 300 },
  ];
  const { bytes, last } = finished(ruleBatch(7, operations));
  t.equal(last, 5);
  const address = '02000000080001006e6174000b000200444f434b45520000';
  const expressions = '0600040004000000';
  const compatibility = '1400058008000100000000060800020000000000';
  t.same(messages(bytes), [
    [0x10, 0, '0000000a0800010000000007'],
    [0xa06, 0xc08, `${address}${expressions}${compatibility}0800090000000001`],
    [
      ...[0xa06, 0x400],
      `020000000b00010066696c74657200000b000200444f434b45520000${expressions}` +
        '1400058008000100000000000800020000000000',
    ],
    [0xa06, 0xc00, `${address}${expressions}${compatibility}0c000600000000000000012c`],
    [0xa06, 0xc00, `${address}${expressions}${compatibility}08000a0000000001`],
    [0xa08, 4, `${address}0c000300000000000000012c`],
    [0x11, 0, '0000000a'],
  ]);
});

t.test('a long transaction is written in steps', async (t) => {
  const added = { op: 'add', rule: a, expressions: Buffer.from('040000', 'hex') } as const;
  const operations = Array.from({ length: 200 }, (_, index): RuleOperation => {
    return { ...added, place: 'end', echo: index === 0 };
  });
  const steps = ruleBatch(7, operations);
  for (let step = 0; step < 6; step += 1) t.same(steps.next(), { done: false, value: undefined });
  const { bytes, last } = finished(steps);
  t.equal(last, 200);
  const all = [...messagesIn(bytes)];
  t.equal(all.at(-1)?.end, bytes.length, 'not a byte too many');
  t.same(
    all.map(({ sequence }) => sequence),
    Array.from({ length: 202 }, (_, index) => index),
  );
});

t.test('questions and their answers', async (t) => {
  const header = Buffer.from([10, 0, 0, 0]);
  t.equal(formatRequest(generationRequest, 1).length, 20);
  t.equal(parseGeneration(0xa0f, Buffer.concat([header, attribute(1, u32Be(77))])), 77);
  t.equal(parseGeneration(0xa0f, header), undefined);
  t.equal(parseGeneration(2, header), undefined);
  t.equal(tableRequest(6, 'nat').body.toString('hex'), '0a000000080001006e617400');
  t.equal(parseTableHandle(0xa00, Buffer.concat([header, attribute(4, u64Be(77))])), 77n);
  t.equal(parseTableHandle(0xa00, header), undefined);
  t.equal(parseTableHandle(2, header), undefined);
  t.match(listTablesRequest, { type: 0xa01, flags: 0x300 });
  t.match(listAllRulesRequest(6), { type: 0xa07, flags: 0x300, body: header });
  const table = [attribute(1, text('nat')), attribute(4, u64Be(77))];
  t.strictSame(parseTable(0xa00, Buffer.concat([header, ...table])), {
    ...{ family: 'ip6', name: 'nat', handle: 77n },
  });
  t.equal(parseTable(0xa00, Buffer.concat([header, attribute(1, text('nat'))])), undefined);
  t.equal(parseTable(0xa00, Buffer.concat([Buffer.from([99, 0, 0, 0]), ...table])), undefined);
  const parts = [header, attribute(1, text('nat')), attribute(2, text('DOCKER'))];
  const handle = attribute(3, u64Be(9));
  const expressions = attribute(4, Buffer.from('abcd'));
  t.match(parseReportedRule(0xa06, Buffer.concat([...parts, handle, expressions])), {
    ...{ family: 6, table: 'nat', chain: 'DOCKER', handle: 9, expressions: Buffer.from('abcd') },
  });
  t.match(parseReportedRule(0xa06, Buffer.concat([...parts, handle])), {
    expressions: { length: 0 },
  });
  t.equal(parseReportedRule(0xa06, Buffer.concat(parts)), undefined);
  t.equal(parseReportedRule(0xa06, header), undefined);
  t.equal(parseReportedRule(0xa08, header), undefined);
});
