/** What this machine's iptables writes, our own messages write, too: all kinds of rules, and random ones. */
import { inFreshNamespace, isInstalled, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
if (!isInstalled('iptables-nft')) {
  t.plan(0, 'needs iptables-nft');
  process.exit(0);
}
const { default: fc } = await import('fast-check');
const { readRuleBytes } = await import('../golden/rule-bytes.js');
const { RecordingLog } = await import('../fakes/recording-log.js');
const { NetlinkTransactions } = await import('../../src/host/nf-tables/netlink-transactions.js');
const { NftSocket } = await import('../../src/host/nf-tables/nft-socket.js');
const { KnownHandles } = await import('../../src/core/rules/known-handles.js');
const { makeRule } = await import('../../src/core/rules/rule.js');
const { goldenRules } = await import('../golden/sample-rules.js');
const { ruleOf } = await import('../fakes/arbitrary.js');
const { holdBytes } = await import('../process/byte-equality.js');

t.test('every rule of every generation', (t) => holdBytes(t, goldenRules()));

t.test('others change rules in between', async (t) => {
  const log = new RecordingLog();
  const socket = new NftSocket();
  const written = Buffer.from(
    readRuleBytes()['1.8.9']?.['4 filter -o br-x -j TSBRIDGE-PROBE-A'] ?? '',
    'hex',
  );
  const transactions = new NetlinkTransactions(socket, () => written, new KnownHandles(), log);
  t.teardown(() => transactions.close());
  run('iptables-nft', ['-N', 'TSBRIDGE-PROBE-A']);
  const rule = makeRule(4, 'filter', 'DOCKER', {}, { jump: 'TSBRIDGE-PROBE-A' });
  const append = { op: 'append', rule } as const;
  const insert = (below: boolean) =>
    ({ op: 'insert', rule, position: Number(below), below: rule }) as const;
  t.equal(await transactions.commit([append]), undefined);
  run('iptables-nft', ['-A', 'DOCKER', '-j', 'RETURN']);
  t.equal(await transactions.commit([append]), undefined, 'ERESTART, and once more');
  t.equal(
    await transactions.commit([{ op: 'delete', rule }, insert(true), insert(false)]),
    undefined,
  );
  run('iptables-nft', ['-F', 'DOCKER']);
  t.match(await transactions.commit([{ op: 'delete', rule }]), 'a rule not found');
  run('nft', ['flush', 'ruleset']);
  t.match(await transactions.commit([append]), /ENOENT/, 'no table');
  t.same(
    log.lines.map(({ fields }) => fields.code),
    ['ENOENT'],
  );
});

t.test('rules at random', async (t) => {
  const random = ([4, 6] as const).flatMap((family) =>
    fc.sample(ruleOf(family), { numRuns: 150, seed: 14 }),
  );
  const unique = new Map(random.map((rule) => [`${rule.family} ${rule.table} ${rule.text}`, rule]));
  await holdBytes(t, [...unique.values()]);
});
