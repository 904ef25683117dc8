/** Reports of nf_tables as the kernel (6.18) sends them: laid out here as in net/netfilter/nf_tables_api.c. */
import t from 'tap';
import {
  type RuleTransaction,
  TransactionReader,
} from '../../../src/codec/nf-tables/nft-events.js';
import { generation, nftFamily, report, type What } from '../../fakes/nft-reports.js';

function read(...datagrams: readonly Buffer[]): RuleTransaction[] {
  const reader = new TransactionReader();
  return datagrams.flatMap((datagram) => reader.read(datagram));
}

const { ip, ip6, inet } = nftFamily;
const rule = (
  family: number,
  table: string,
  chain: string,
  handle: number,
  what: What = 'newRule',
) => report(what, family, table, { chain, handle });

t.test('who, in which families, and the numbers of rules', async (t) => {
  const [first, second, third, ...rest] = read(
    Buffer.concat([
      report('newTable', ip, 'nat'),
      report('newChain', ip, 'nat', { chain: 'DOCKER' }),
    ]),
    generation({ pid: 30361, program: 'iptables', portId: 17 }),
    rule(ip, 'nat', 'DOCKER', 2),
    Buffer.concat([rule(ip6, 'filter', 'FORWARD', 7), rule(ip, 'filter', 'INPUT', 9)]),
    generation({ pid: 30362, program: 'iptables-nft-re', portId: 0xfffff001 }),
    report('newTable', inet, 'filter'),
    report('newSet', inet, 'filter'),
    rule(inet, 'filter', 'FORWARD', 3),
    generation({ pid: 30364, program: 'nft' }),
  );
  t.same(first, {
    ...{ generation: 7, portId: 17, pid: 30361, program: 'iptables' },
    ...{ families: [4], added: [], tableDeleted: false },
  });
  t.same(second, {
    generation: 7,
    portId: 0xfffff001,
    pid: 30362,
    program: 'iptables-nft-re',
    families: [4, 6],
    added: [
      { family: 4, table: 'nat', chain: 'DOCKER', handle: 2 },
      { family: 6, table: 'filter', chain: 'FORWARD', handle: 7 },
      { family: 4, table: 'filter', chain: 'INPUT', handle: 9 },
    ],
    tableDeleted: false,
  });
  t.match(third, { families: [], added: [] }, 'no table of iptables');
  t.same(rest, []);
});

t.test('nft flush ruleset is one event for both families', async (t) => {
  const flushed = read(
    Buffer.concat([
      rule(ip6, 'filter', 'FORWARD', 2, 'deleteRule'),
      report('deleteChain', ip6, 'filter', { chain: 'FORWARD' }),
      report('deleteTable', ip6, 'filter'),
    ]),
    rule(ip, 'nat', 'DOCKER', 2, 'deleteRule'),
    generation({ program: 'nft' }),
    rule(ip, 'nat', 'DOCKER', 2, 'deleteRule'),
    generation({ program: 'iptables' }),
  );
  t.match(flushed, [
    { families: [6, 4], tableDeleted: true, added: [] },
    { families: [4], tableDeleted: false },
  ]);
});

t.test('changes in chains that hold no rule of ours concern no family', async (t) => {
  for (const [words, datagram] of [
    ['a rule of INPUT', rule(ip, 'filter', 'INPUT', 2)],
    ['a rule of others', rule(ip, 'filter', 'KUBE-FORWARD', 2)],
    ['its end', rule(ip, 'filter', 'f2b-sshd', 9, 'deleteRule')],
    ['a chain of others', report('deleteChain', ip6, 'nat', { chain: 'MINE' })],
    ['a table of others', rule(ip, 'mine', 'FORWARD', 2)],
    ['made', report('newTable', ip, 'mine')],
    ['another family', rule(inet, 'filter', 'FORWARD', 2)],
  ] as const) {
    t.match(read(datagram, generation({})), [{ families: [] }], words);
  }
  for (const [words, datagram] of [
    ['a built-in chain', rule(ip, 'filter', 'FORWARD', 2)],
    ['a chain of Docker', rule(ip, 'nat', 'DOCKER', 9, 'deleteRule')],
    ['deleted', report('deleteChain', ip, 'filter', { chain: 'DOCKER-FORWARD' })],
    ['renamed, maybe', report('newChain', ip, 'filter', { chain: 'f2b-sshd' })],
    ['a table', report('deleteTable', ip, 'raw')],
  ] as const) {
    t.match(read(datagram, generation({})), [{ families: [4] }], words);
  }
});

t.test('what is not understood may concern both families', async (t) => {
  const both = [{ families: [4, 6] }];
  const odd = report('newTable', ip, 'filter');
  odd.writeUInt16LE((10 << 8) | 99, 4);
  t.match(read(odd, generation({})), both, 'a report of another kind');
  odd.writeUInt16LE((11 << 8) | 1, 4);
  t.match(read(odd, generation({})), both, 'of another subsystem');
  const short = Buffer.from(report('newTable', ip, 'filter').subarray(0, 16));
  short.writeUInt32LE(16, 0);
  t.match(read(short, generation({})), both, 'without a body');
  const bare = Buffer.from(generation({}).subarray(0, 20));
  bare.writeUInt32LE(20, 0);
  t.match(read(bare), [{ pid: 0, program: '' }], 'an end that tells nothing');
  const nameless = Buffer.from(report('newRule', ip, 'nat').subarray(0, 20));
  nameless.writeUInt32LE(20, 0);
  t.match(read(nameless, generation({})), [{ families: [], added: [] }]);
});

t.test('nothing is made of a transaction of which reports were lost', async (t) => {
  const reader = new TransactionReader();
  reader.read(Buffer.concat([rule(ip, 'filter', 'DOCKER', 2), report('deleteTable', ip, 'raw')]));
  reader.forget();
  t.match(reader.read(Buffer.concat([rule(ip, 'filter', 'DOCKER', 9), generation({})])), [
    { added: [{ handle: 9 }], tableDeleted: false },
  ]);
});
