/** Rules deleted by handle over our own socket, as iptables-nft made them. */
import type { RuleTransaction } from '../../src/codec/nf-tables/nft-events.js';
import { inFreshNamespace, isInstalled, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
if (!isInstalled('nft') || !isInstalled('iptables-nft')) {
  t.plan(0, 'needs nft and iptables-nft');
  process.exit(0);
}
const { OwnChanges } = await import('../../src/host/iptables/own-changes.js');
const { RuleDeletion } = await import('../../src/host/iptables/rule-deletion.js');
const { nftablesGroup, TransactionReader } = await import(
  '../../src/codec/nf-tables/nft-events.js'
);
const { openEvents } = await import('../../src/host/netlink/socket/event-calls.js');

const families = [
  { family: 4, ip: 'ip', tool: 'iptables-nft' },
  { family: 6, ip: 'ip6', tool: 'ip6tables-nft' },
] as const;

for (const { family, ip, tool } of families) {
  /** Makes rules for these ports anew, and answers with their handles. */
  const make = (...ports: readonly number[]) => {
    run(tool, ['-F']);
    for (const port of ports) {
      run(tool, ['-A', 'OUTPUT', '-p', 'tcp', '--dport', String(port), '-j', 'ACCEPT']);
    }
    const listing = run('nft', ['-a', 'list', 'chain', ip, 'filter', 'OUTPUT']);
    return [...listing.matchAll(/dport \d+ .*# handle (\d+)/g)].map(([, handle]) => ({
      table: 'filter' as const,
      chain: 'OUTPUT',
      handle: Number(handle),
    }));
  };
  const left = () => [...run(tool, ['-S', 'OUTPUT']).matchAll(/dport (\d+)/g)].map(([, p]) => p);

  t.test(tool, async (t) => {
    const deletion = new RuleDeletion(new OwnChanges());
    t.teardown(() => deletion.close());
    await deletion.delete(family, []);
    const [first, second, third] = make(1, 2, 3);
    if (!first || !second || !third) throw new Error('three rules were made');
    await deletion.delete(family, [third, first]);
    t.same(left(), ['2']);

    const gone = { code: 'ENOENT' };
    await t.rejects(deletion.delete(family, [second, first]), gone, 'the last is not there');
    t.same(left(), ['2'], 'all or none');
    await t.rejects(deletion.delete(family, [third, first, second]), gone, 'one before it');
    t.same(left(), ['2']);
    await t.rejects(deletion.delete(family, [{ ...second, chain: 'NONE' }]), gone);
    await deletion.delete(family, [second]);
    t.same(left(), [], 'and the socket is as good as before');

    const many = make(...Array.from({ length: 64 }, (_, index) => index + 1));
    const absent = many.map((rule) => ({ ...rule, handle: rule.handle + 1_000 }));
    await t.rejects(deletion.delete(family, absent), gone, 'an answer for each');
    await deletion.delete(family, many);
    t.same(left(), []);
  });
}

t.test('deletions by netlink are known as our own', async (t) => {
  run('iptables-nft', ['-F']);
  run('iptables-nft', ['-A', 'OUTPUT', '-p', 'tcp', '--dport', '7', '-j', 'ACCEPT']);
  const listing = run('nft', ['-a', 'list', 'chain', 'ip', 'filter', 'OUTPUT']);
  const handle = Number(/dport 7 .*# handle (\d+)/.exec(listing)?.[1]);
  const own = new OwnChanges();
  const deletion = new RuleDeletion(own);
  const transactions = new TransactionReader();
  const stream = openEvents({ protocol: 12, groups: [nftablesGroup], filters: [] });
  t.teardown(() => {
    stream.destroy();
    deletion.close();
  });
  const reported = new Promise<RuleTransaction>((resolve) => {
    stream.ref().on('data', (datagram) => transactions.read(datagram).forEach(resolve));
  });
  await deletion.delete(4, [{ table: 'filter', chain: 'OUTPUT', handle }]);
  t.equal(own.match(await reported), process.pid);
});
