import t from 'tap';
import {
  attribute,
  nested,
  readAttributes,
  readText,
  text,
} from '../../../../src/codec/netlink/netlink-message.js';
import { parseExpressions } from '../../../../src/codec/nf-tables/nft-expressions.js';
import {
  memberCount,
  membersRequest,
  renewBatch,
} from '../../../../src/codec/nf-tables/nft-sets.js';
import {
  aliveKeys,
  deleteTraceTableBatch,
  matchedPackets,
  type Owner,
  traceCountersRequest,
  traceTableBatch,
  traceTableRequests,
} from '../../../../src/codec/nf-tables/tracing/nft-trace-table.js';
import { type Cidr, parseCidr } from '../../../../src/core/address.js';
import type { TracedHooks } from '../../../../src/core/trace/chains.js';
import type { Condition, PacketFilter } from '../../../../src/core/trace/pattern.js';

const cidr = (text: string) => parseCidr(text) as Cidr;

/** A line for each request: chains, and rules by the names of their expressions. The kernel's own words: test/kernel/trace.test.ts */
function plan(
  filter: PacketFilter,
  replies = false,
  everyPacket = false,
  owner: Owner = 'socket',
  tracedHooks: TracedHooks = 'every-hook',
): string[] {
  const wish = {
    name: 'tsbridge-trace-7',
    filter,
    replies,
    everyPacket,
    packetsPerSecond: 20,
    tracedHooks,
  };
  return traceTableRequests(wish, owner).map(({ type, flags, body }) => {
    const attributes = readAttributes(body.subarray(4));
    if (type === 0xa09 || type === 0xa0c)
      return `${type & 0xff} ${readText(attributes, 2)} ${flags}`;
    if ((type & 0xff) !== 6 || type < 0x100) {
      return `${type & 0xff} ${readText(attributes, 3) ?? readText(attributes, 1) ?? ''} ${flags}`;
    }
    const expressions = parseExpressions(attributes.get(4) ?? Buffer.alloc(0)) ?? [];
    const names = expressions.map((each) => {
      const [name] = 'children' in each ? each.children : [];
      return name !== undefined && 'value' in name
        ? name.value.toString('latin1').replace('\0', '')
        : '?';
    });
    return `rule ${readText(attributes, 2)}: ${names.join(' ')}`;
  });
}

t.test('first packets of flows from anywhere', async (t) => {
  const lines = plan([[]]);
  t.strictSame(lines.slice(0, 5), [
    '0 tsbridge-trace-7 1536',
    '3 marked 1024',
    'rule marked: counter limit immediate meta',
    '3 asked 1024',
    'rule asked: meta cmp immediate',
  ]);
  t.strictSame(lines.slice(-2), [
    'rule prerouting-start: immediate',
    'rule output-start: immediate',
  ]);
  t.equal(
    lines.filter((line) => line.startsWith('3 ')).length,
    11,
    'a chain before and behind at each hook, but behind FORWARD',
  );
  const fewer = plan([[]], false, false, 'socket', 'ends');
  t.strictSame(
    lines.filter((line) => !fewer.includes(line)),
    ['3 input-start 1024', '3 forward-start 1024', '3 postrouting-start 1024'],
  );
});

t.test('every condition, and answers', async (t) => {
  const conditions: Condition[] = [
    { is: 'source', cidr: cidr('10.0.0.0/8') },
    { is: 'destination', cidr: cidr('10.0.0.1/32'), not: true },
    { is: 'to-host' },
    { is: 'protocol', protocol: 6 },
    { is: 'port', port: 8080 },
    { is: 'arrives', interface: 'eth0' },
  ];
  const lines = plan([conditions, [{ is: 'made-here' }]], true).filter((line) =>
    line.startsWith('rule'),
  );
  t.strictSame(lines.slice(2), [
    'rule asked: payload bitwise cmp immediate',
    'rule answers: counter limit immediate meta',
    'rule replies: meta cmp immediate',
    'rule replies: payload bitwise cmp immediate',
    'rule prerouting-start: payload cmp payload bitwise cmp meta cmp meta cmp meta cmp payload cmp fib cmp immediate',
    'rule prerouting-replies: ct cmp ct cmp ct bitwise cmp meta cmp meta cmp ct cmp immediate',
    'rule prerouting-replies: ct cmp immediate',
    'rule output-start: immediate',
    'rule output-replies: ct cmp ct cmp ct bitwise cmp meta cmp meta cmp ct cmp immediate',
    'rule output-replies: ct cmp immediate',
  ]);
});

t.test('every packet', async (t) => {
  const lines = plan([[{ is: 'family', family: 6 }]], true, true);
  t.ok(lines.includes('rule asked: immediate'));
  t.ok(lines.includes('rule replies: immediate'));
  t.ok(lines.includes('rule output-replies: ct cmp meta cmp immediate'));
});

t.test('how many packets fitted', async (t) => {
  t.match(traceCountersRequest('x'), { type: 0xa07, flags: 0x300 });
  const count = Buffer.alloc(8);
  count.writeBigUInt64BE(12n);
  const expression = (name: string, ...data: Buffer[]) =>
    nested(1, attribute(1, text(name)), nested(2, ...data));
  const rule = (...expressions: Buffer[]) =>
    Buffer.concat([
      Buffer.from([1, 0, 0, 0]),
      ...[attribute(1, text('t')), attribute(2, text('c')), nested(4, ...expressions)],
    ]);
  const counted = rule(expression('meta'), expression('counter', attribute(2, count)));
  t.strictSame(matchedPackets(0xa06, counted), { table: 't', chain: 'c', packets: 12 });
  t.equal(matchedPackets(0xa06, rule(expression('counter'))), undefined);
  t.equal(matchedPackets(0xa07, counted), undefined);
  const nameless = Buffer.concat([
    Buffer.alloc(4),
    nested(4, expression('counter', attribute(2, count))),
  ]);
  t.strictSame(matchedPackets(0xa06, nameless), { table: '', chain: '', packets: 12 });
});

t.test('several ports are one rule, with a set if there are others between them', async (t) => {
  const udp = (port: number): Condition[] => [
    { is: 'protocol', protocol: 17 },
    { is: 'port', port },
    { is: 'to-host' },
  ];
  const rules = (...ports: number[]) =>
    plan(ports.map(udp), true).filter((line) => /^9 |^12 |^rule .*(-start|-repl)/.test(line));
  t.strictSame(rules(53, 54, 53), [
    'rule prerouting-start: payload range meta cmp fib cmp immediate',
    'rule prerouting-replies: ct cmp ct range meta cmp immediate',
    'rule output-start: payload range meta cmp fib cmp immediate',
    'rule output-replies: ct cmp ct range meta cmp immediate',
  ]);
  t.strictSame(rules(53, 56, 54), [
    '9 ports-1 1024',
    '12 ports-1 1024',
    'rule prerouting-start: payload range lookup meta cmp fib cmp immediate',
    'rule prerouting-replies: ct cmp ct range lookup meta cmp immediate',
    'rule output-start: payload range lookup meta cmp fib cmp immediate',
    'rule output-replies: ct cmp ct range lookup meta cmp immediate',
  ]);
});

t.test('a table that nobody owns is alive for as long as its set has members', async (t) => {
  const lines = plan([[]], true, false, { aliveMs: 10_000 });
  t.match(lines, ['0 tsbridge-trace-7 1536', '9 alive 1024', '12 alive 1024', '3 marked 1024']);
  t.ok(lines.includes('rule marked: meta lookup counter limit immediate meta'));
  t.ok(lines.includes('rule answers: meta lookup counter limit immediate meta'));
  const wish = {
    ...{ name: 'x', filter: [[]], replies: false, everyPacket: false, packetsPerSecond: 1 },
    tracedHooks: 'ends',
  } as const;
  t.match(traceTableBatch(wish, 'socket'), { last: Number });
  t.equal(renewBatch('x', 'alive', aliveKeys).last, 2, 'removed and added in one transaction');
  t.equal(deleteTraceTableBatch('x').last, 1);
  t.match(membersRequest('x', 'alive'), { type: 0xa0d, flags: 0x300 });
  const member = (key: number) => nested(1, nested(1, attribute(1, Buffer.of(key))));
  const answer = Buffer.concat([Buffer.from([1, 0, 0, 0]), nested(3, member(2), member(10))]);
  t.equal(memberCount(0xa0c, answer), 2);
  t.equal(memberCount(0xa0c, answer.subarray(0, 4)), 0);
  t.equal(memberCount(0xa0d, answer), undefined);
});
