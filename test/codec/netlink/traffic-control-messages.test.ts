import { readFileSync } from 'node:fs';
import t from 'tap';
import { createIfbRequest, listLinksRequest } from '../../../src/codec/netlink/link-messages.js';
import { formatRequest, type NetlinkRequest } from '../../../src/codec/netlink/netlink-message.js';
import * as tc from '../../../src/codec/netlink/traffic-control-messages.js';

/** From its length to its end, without the sequence number: as `strace -xx` shows `tc`. */
function wire(request: NetlinkRequest): string {
  const bytes = formatRequest(request, 0).toString('hex');
  return bytes.slice(0, 16) + bytes.slice(32);
}
const captured = (...lines: readonly string[]) => lines.join('').replaceAll(' ', '');

/** What kernel 6.18 answered, type and body without the header. */
const replies = JSON.parse(
  readFileSync(new URL('../../fixtures/netlink-replies.json', import.meta.url), 'utf8'),
) as Record<string, { type: number; body: string }[]>;
const repliesOf = (what: string) =>
  (replies[what] ?? []).map(({ type, body }) => ({ type, body: Buffer.from(body, 'hex') }));

t.test('requests are those of `tc` and `ip`, byte by byte (iproute2 6.1)', async (t) => {
  t.equal(
    wire(tc.addHookRequest(20)),
    captured(
      '30000000 24000506 00000000 14000000 0000ffff f1ffffff 00000000',
      '0b000100 636c7361 63740000',
    ),
    'tc qdisc add … clsact',
  );
  t.equal(
    wire(tc.addRedirectRequest(20, 30)),
    captured(
      '8c000000 2c000506 00000000 14000000 00000000 f2ffffff 00035374',
      '08000100 75333200 60000200 38000700 34000100 0b000100 6d697272 65640000',
      '24000280 20000200 00000000 00000000 04000000 00000000 00000000 01000000 1e000000',
      '24000500 01000100 00000000 00000000 00000000 00000000 00000000 00000000 00000000',
    ),
    'tc filter add … ingress pref 29779 protocol all u32 match u32 0 0 action mirred egress redirect …',
  );
  t.equal(
    wire(tc.listQdiscsRequest()),
    captured('24000000 26000103 00000000 00000000 00000000 00000000 00000000'),
    'tc qdisc show',
  );
  t.equal(
    wire(tc.listFiltersRequest(20)),
    captured('24000000 2e000103 00000000 14000000 00000000 f2ffffff 00000000'),
    'tc filter show … ingress',
  );
  t.equal(
    wire(tc.removeRedirectRequest(20)),
    captured('24000000 2d000500 00000000 14000000 00000000 f2ffffff 00035374'),
    'tc filter del … ingress pref 29779 protocol all, of any kind',
  );
  t.equal(
    wire(tc.removeBucketRequest(20)),
    captured('24000000 25000500 00000000 14000000 00005374 ffffffff 00000000'),
    'tc qdisc del … root handle 7453:',
  );
  t.equal(
    wire(createIfbRequest('tsi1')),
    captured(
      '38000000 10000506 00000000 00000000 00000000 00000000',
      '09000300 74736931 00000000 0c001200 07000100 69666200',
    ),
    'ip link add name … type ifb',
  );
  t.equal(
    wire(listLinksRequest('ifb')),
    captured(
      '34000000 12000103 00000000 00000000 00000000 00000000',
      '08001d00 08000000 0c001280 07000100 69666200',
    ),
  );
});

t.test('a bucket is told in bytes, without the table of times that tc adds', async (t) => {
  const bucket = { rate: 10_000_000, burst: 32 * 1024, limit: 40_000 };
  t.equal(
    wire(tc.setBucketRequest(20, bucket)),
    captured(
      '60000000 24000505 00000000 14000000 00005374 ffffffff 00000000',
      '08000100 74626600 34000200',
      '28000100 00010000 00000000 d0121300 00000000 00000000 00000000 409c0000 00000000 00000000',
      '08000600 00800000',
    ),
  );
  const wide = wire(tc.setBucketRequest(20, { ...bucket, rate: 40_000_000_000 }));
  t.match(wide, /ffffffff.*0c000400 ?00f2052a01000000$/, 'more than 32 bits of bytes a second');
});

t.test('a fair queue lies in the bucket', async (t) => {
  const queue = { targetUs: 5_000, intervalUs: 100_000, limit: 10_240, memory: 4 * 1024 * 1024 };
  t.equal(
    wire(tc.setQueueRequest(20, queue)),
    captured(
      '58000000 24000505 00000000 14000000 00005474 01005374 00000000',
      '0d000100 66715f63 6f64656c 00000000 24000200',
      '08000200 00280000 08000300 a0860100 08000100 88130000 08000900 00004000',
    ),
    'tc qdisc replace … parent 7453:1 handle 7454: fq_codel limit 10240 target 5ms interval 100ms memory_limit 4194304',
  );
  const [bucket, inside, other] = repliesOf('fairQueue');
  if (inside === undefined) throw new Error('no reply');
  t.strictSame(
    [bucket, inside, other].map((reply) => reply && tc.parseQdisc(reply.type, reply.body)),
    [
      { kind: 'bucket', index: 20, bucket: { rate: 10_000_000, burst: 32_768, limit: 32_768 } },
      {
        kind: 'fq_codel',
        index: 20,
        queue: { targetUs: 4_999, intervalUs: 99_999, limit: 10_240, memory: 4 * 1024 * 1024 },
      },
      { kind: 'fq_codel', index: 30 },
    ],
    'as Linux 6.1 lists it, and the root of another link',
  );
  const bare = inside.body.subarray(0, 36);
  t.strictSame(
    tc.parseQdisc(36, bare),
    {
      kind: 'fq_codel',
      index: 20,
      queue: { targetUs: 0, intervalUs: 0, limit: 0, memory: 0 },
    },
    'one of which nothing is told',
  );
});

t.test('of what the kernel lists, only what is ours is taken', async (t) => {
  t.strictSame(
    repliesOf('limits').flatMap(({ type, body }) => tc.parseQdisc(type, body) ?? []),
    [
      { kind: 'bucket', index: 20, bucket: { rate: 10_000_000, burst: 32_768, limit: 32_768 } },
      { kind: 'hook', index: 20 },
      {
        kind: 'bucket',
        index: 30,
        bucket: { rate: 40_000_000_000, burst: 1_048_320, limit: 32_768 },
      },
    ],
    'not a noqueue, nor a pfifo of our handle, nor ingress',
  );
  const redirects = (what: string) =>
    repliesOf(what).flatMap(({ type, body }) => tc.parseRedirect(type, body) ?? []);
  t.strictSame(redirects('redirect'), [30], 'not the filter of another, nor tables');
  t.strictSame(redirects('redirectAstray'), [0], 'the ifb is gone');
  const cut = repliesOf('redirect').at(-2);
  t.equal(tc.parseRedirect(44, (cut?.body ?? Buffer.alloc(0)).subarray(0, 19)), undefined);
  t.equal(tc.parseQdisc(36, Buffer.alloc(19)), undefined);
});

t.test('reports of changes name their link', async (t) => {
  const [, bucket] = repliesOf('limits');
  const body = bucket?.body ?? Buffer.alloc(0);
  for (const type of [36, 37, 44, 45]) t.equal(tc.trafficControlLink(type, body), 20);
  t.equal(tc.trafficControlLink(16, body), undefined);
  t.equal(tc.trafficControlLink(36, body.subarray(0, 19)), undefined);
});
