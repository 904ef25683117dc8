import fc from 'fast-check';
import t from 'tap';
import { text } from '../../../src/codec/netlink/netlink-message.js';
import {
  type AttributeNode,
  parseExpressions,
  withoutCounts,
  writeAttributes,
} from '../../../src/codec/nf-tables/nft-expressions.js';
import { renderProbe } from '../../../src/codec/nf-tables/rule-probe.js';
import { type LearntRule, RuleTemplate } from '../../../src/codec/nf-tables/rule-template.js';
import { probeRules } from '../../../src/core/rules/probe-rules.js';
import { makeRule, type Rule } from '../../../src/core/rules/rule.js';
import { maskedBytes, type RuleValue, shapeOf } from '../../../src/core/rules/rule-shape.js';
import { ruleOf } from '../../fakes/arbitrary.js';
import { bytesKey, readRuleBytes, sampledRules } from '../../golden/rule-bytes.js';

const valuesOf = (rule: Rule): readonly RuleValue[] => shapeOf(rule)?.values ?? [];

t.test('what each version of iptables wrote for examples tells what it writes', async (t) => {
  for (const [version, bytes] of Object.entries(readRuleBytes())) {
    for (const { rule, examples } of sampledRules()) {
      const learnt = [...examples, rule].map((one) => ({
        values: valuesOf(one),
        expressions: Buffer.from(bytes[bytesKey(one)] ?? '', 'hex'),
      }));
      const template = RuleTemplate.learn(learnt.slice(0, -1));
      const filled = template?.fill(valuesOf(rule)).toString('hex');
      t.equal(filled, bytes[bytesKey(rule)], `${version}: ${rule.text}`);
    }
  }
});

/** Bytes as some iptables could write them: each value in an attribute of its own, ports in both orders. */
function writtenSomehow(rule: Rule): Buffer {
  const nodes = valuesOf(rule).flatMap((value, index): AttributeNode[] => {
    const type = index + 1;
    if (value.kind === 'name') return [expression('cmp', [{ type, value: text(value.name) }])];
    if (value.kind === 'port') {
      const bytes = [
        1,
        2,
        value.port >> 8,
        value.port & 0xff,
        9,
        value.port & 0xff,
        value.port >> 8,
      ];
      return [expression('match', [{ type, value: Buffer.from(bytes) }])];
    }
    const bytes = Buffer.from(maskedBytes(value.address, value.prefixLength));
    return [expression('match', [{ type, value: bytes }])];
  });
  return writeAttributes([...nodes, expression('counter', [])]).bytes;
}

const expression = (name: string, data: readonly AttributeNode[]): AttributeNode => ({
  type: 1,
  children: [
    { type: 1, value: text(name) },
    { type: 2, children: data },
  ],
});

t.test('rules at random come out of what was learnt from their examples', async (t) => {
  const rules = fc.oneof(ruleOf(4), ruleOf(6)).filter((rule) => shapeOf(rule) !== undefined);
  fc.assert(
    fc.property(rules, (rule) => {
      const learnt = (one: Rule): LearntRule => ({
        values: valuesOf(one),
        expressions: writtenSomehow(one),
      });
      const template = RuleTemplate.learn(probeRules(rule).map(learnt));
      return template?.fill(valuesOf(rule)).equals(writtenSomehow(rule)) === true;
    }),
  );
  t.pass('all of them');
});

t.test('nothing is learnt from bytes that are not understood', async (t) => {
  const port = (number: number): RuleValue => ({ kind: 'port', port: number });
  const made = (bytes: readonly number[], ...values: RuleValue[]): LearntRule => ({
    values,
    expressions: writeAttributes([expression('x', [{ type: 1, value: Buffer.from(bytes) }])]).bytes,
  });
  const ports = [0x1112, 0x2122, 0x3132];
  const learn = (write: (value: number, index: number) => LearntRule) =>
    RuleTemplate.learn(ports.map(write));
  const split = (value: number): [number, number] => [value >> 8, value & 0xff];
  t.ok(learn((value) => made(split(value), port(value))));
  t.equal(
    learn((value) => made([7], port(value))),
    undefined,
    'a value that is nowhere',
  );
  t.equal(
    learn((value, index) => made([...split(value), index], port(value))),
    undefined,
    'more',
  );
  t.equal(
    learn((value, index) => made(Array(index).fill(value & 0xff))),
    undefined,
    'lengths',
  );
  const swapped = learn((value, index) =>
    made(index === 2 ? split(value).reverse() : split(value), port(value)),
  );
  t.equal(swapped, undefined, 'the last example does not come out');
  t.equal(RuleTemplate.learn([]), undefined);
  const cut = { values: [], expressions: Buffer.from([9, 0, 1, 0]) };
  t.equal(RuleTemplate.learn([cut, cut, cut]), undefined, 'cut off');
  const [one, another] = [
    writeAttributes([expression('x', [])]).bytes,
    writeAttributes([expression('x', []), expression('y', [])]).bytes,
  ];
  const same = { values: [] };
  t.equal(
    RuleTemplate.learn([
      { ...same, expressions: one },
      { ...same, expressions: another },
      { ...same, expressions: one },
    ]),
    undefined,
    'another number of expressions',
  );
  const typed = (type: number): LearntRule => ({
    values: [],
    expressions: writeAttributes([expression('x', [{ type, value: Buffer.of(1) }])]).bytes,
  });
  t.equal(RuleTemplate.learn([typed(1), typed(2), typed(1)]), undefined, 'another attribute');
});

t.test('expressions are a tree, and the same bytes again', async (t) => {
  for (const hex of Object.values(readRuleBytes()['1.8.9'] ?? {})) {
    const bytes = Buffer.from(hex, 'hex');
    const tree = parseExpressions(bytes);
    t.equal(writeAttributes(tree ?? []).bytes.toString('hex'), hex);
  }
  t.equal(parseExpressions(Buffer.alloc(0)), undefined, 'no expressions');
  t.equal(parseExpressions(Buffer.from([8, 0, 1, 0])), undefined, 'cut off');
  const unnamed = writeAttributes([
    { type: 1, children: [{ type: 2, value: Buffer.of(1) }] },
  ]).bytes;
  t.equal(parseExpressions(unnamed), undefined, 'an expression without a name');
  const odd = writeAttributes([
    {
      type: 1,
      children: [
        { type: 1, value: text('odd') },
        { type: 2, value: Buffer.of(1, 2, 3) },
      ],
    },
  ]).bytes;
  t.equal(writeAttributes(parseExpressions(odd) ?? []).bytes.toString('hex'), odd.toString('hex'));
});

t.test('counters count for nothing', async (t) => {
  const counter = (packets: number) =>
    writeAttributes([
      expression('counter', [{ type: 2, value: Buffer.alloc(8, packets) }]),
      expression('other', [{ type: 2, value: Buffer.alloc(8, 5) }]),
    ]).bytes;
  t.same(withoutCounts(counter(9)), withoutCounts(counter(7)));
  t.same(withoutCounts(counter(9)), counter(0), 'the other one stays');
  const cut = Buffer.from([9, 0, 1, 0]);
  t.same(withoutCounts(cut), cut);
  const odd = writeAttributes([
    {
      type: 1,
      children: [
        { type: 1, value: text('counter') },
        { type: 2, value: Buffer.of(1) },
      ],
    },
    { type: 1, value: Buffer.of(1) },
  ]).bytes;
  t.same(withoutCounts(odd), odd);
});

t.test('the probe leaves nothing, and counts on nothing that is there', async (t) => {
  const rules = probeRules(makeRule(4, 'filter', 'FORWARD', {}, { jump: 'DOCKER' }));
  t.equal(
    renderProbe('filter', rules),
    [
      '*filter',
      ...['-N TSBRIDGE-PROBE', '-N TSBRIDGE-PROBE-A', '-N TSBRIDGE-PROBE-BB'],
      '-N TSBRIDGE-PROBE-CCC',
      '-A TSBRIDGE-PROBE -j TSBRIDGE-PROBE-A',
      '-A TSBRIDGE-PROBE -j TSBRIDGE-PROBE-BB',
      '-A TSBRIDGE-PROBE -j TSBRIDGE-PROBE-CCC',
      ...['-D TSBRIDGE-PROBE 1', '-D TSBRIDGE-PROBE 1', '-D TSBRIDGE-PROBE 1'],
      ...['-X TSBRIDGE-PROBE', '-X TSBRIDGE-PROBE-A', '-X TSBRIDGE-PROBE-BB'],
      '-X TSBRIDGE-PROBE-CCC',
      'COMMIT\n',
    ].join('\n'),
  );
});
