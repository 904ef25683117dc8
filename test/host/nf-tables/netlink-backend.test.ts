import t from 'tap';
import type { HandledRule } from '../../../src/codec/nf-tables/nft-messages.js';
import type { RuleBatch } from '../../../src/codec/nf-tables/rule-batch.js';
import type { Family } from '../../../src/core/address.js';
import type { InterfaceName } from '../../../src/core/names.js';
import { makeRule, type Rule, type Table } from '../../../src/core/rules/rule.js';
import type { RuleChange } from '../../../src/core/rules/rule-set.js';
import { RestoreBackend } from '../../../src/host/iptables/restore-backend.js';
import { NetlinkBackend } from '../../../src/host/nf-tables/netlink-backend.js';
import { FakeFirewall } from '../../fakes/fake-firewall.js';
import { FakeNft } from '../../fakes/fake-nft.js';
import { RecordingLog } from '../../fakes/recording-log.js';

function accept(bridge: string, family: Family = 4, table: Table = 'filter'): Rule {
  return makeRule(family, table, 'DOCKER', { inInterface: bridge as InterfaceName }, 'ACCEPT');
}
const append = (rule: Rule): RuleChange => ({ op: 'append', rule });
const remove = (rule: Rule): RuleChange => ({ op: 'delete', rule });

async function makeHost() {
  const kernel = new FakeFirewall();
  const nft = new FakeNft(kernel);
  const learnt: Rule[] = [];
  const unknown = new Set<string>();
  const learning = {
    family4: true,
    follow: (family: Family) => family === 6 || learning.family4,
    expressions: (rule: Rule) => (unknown.has(rule.text) ? undefined : Buffer.from(rule.text)),
    learn: async (rules: readonly Rule[]) => {
      learnt.push(...rules);
      for (const { text } of rules) unknown.delete(text);
    },
  };
  const log = new RecordingLog();
  const make = (enabled = true, most?: number) =>
    new NetlinkBackend(new RestoreBackend(kernel, log), learning, log, enabled, () => nft, most);
  for (const family of [4, 6] as const) {
    await kernel.restore(family, '*nat\n-N DOCKER\nCOMMIT\n*filter\n-N DOCKER\nCOMMIT\n');
  }
  kernel.restores.length = 0;
  return { kernel, nft, learnt, unknown, learning, log, backend: make(), make };
}

t.test(
  'rules are written without iptables, and deleted by the handles of their echoes',
  async (t) => {
    const { kernel, nft, backend } = await makeHost();
    const rules = ['a', 'b', 'c'].map((name) => accept(name));
    await backend.commit(4, [...rules.map(append), append(accept('n', 4, 'nat'))]);
    t.same(
      kernel.rules('filter', 'DOCKER'),
      rules.map(({ text }) => text),
    );
    t.same(kernel.rules('nat', 'DOCKER'), [accept('n').text]);
    nft.findHandles = () => t.fail('nothing has to be listed') as never;
    const anchor = accept('d');
    await backend.commit(4, [
      ...[...rules].reverse().map(remove),
      { op: 'insert', rule: anchor, position: 0 },
      { op: 'insert', rule: accept('e'), position: 1, below: anchor },
    ]);
    t.same(kernel.rules('filter', 'DOCKER'), [anchor.text, accept('e').text]);
    t.equal(kernel.restores.length, 0);
    t.match(backend.counts, { netlink: { commits: 2, changes: 9 }, restore: { commits: 0 } });
    backend.close();
  },
);

t.test('the port of its socket is known before the first commit', async (t) => {
  const { backend, make, learning } = await makeHost();
  const off = make(false);
  off.open();
  t.same([...off.ownPorts], [], 'it has none if everything goes by iptables-restore');
  learning.family4 = false;
  backend.open();
  t.same([...backend.ownPorts], [], 'nor with iptables-legacy');
  learning.family4 = true;
  backend.open();
  t.same([...backend.ownPorts], [4711]);
});

t.test('both families of one call are one transaction', async (t) => {
  const { kernel, nft, backend } = await makeHost();
  await backend.commit(4, [append(accept('w'))]);
  await Promise.all([
    backend.commit(4, [append(accept('a'))]),
    backend.commit(6, [append(accept('b', 6))]),
  ]);
  t.equal(nft.made, 2);
  const results = await Promise.allSettled([
    backend.commit(4, [append(accept('c'))]),
    backend.commit(6, [{ op: 'append', rule: makeRule(6, 'filter', 'DOCKER-CT', {}, 'DROP') }]),
  ]);
  t.same(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected'],
    'each for itself',
  );
  t.same(kernel.rules('filter', 'DOCKER').at(-1), accept('c').text);
});

t.test('what it cannot write goes by iptables-restore, and is learnt then', async (t) => {
  const { kernel, learnt, unknown, learning, backend, make, nft } = await makeHost();
  await backend.commit(4, [{ op: 'create-chain', table: 'filter', chain: 'DOCKER-CT' }]);
  t.equal(backend.counts.lastRestore, 'chains');
  unknown.add(accept('a').text);
  await backend.commit(4, [append(accept('a'))]);
  t.equal(backend.counts.lastRestore, 'a rule of an unknown kind');
  await new Promise(setImmediate);
  t.same(learnt, [accept('a')]);
  await backend.commit(4, [remove(accept('a')), append(accept('b'))]);
  t.equal(nft.made, 1, 'its handle is found by its bytes');
  learning.family4 = false;
  await backend.commit(4, [append(accept('c'))]);
  t.equal(backend.counts.lastRestore, 'iptables-legacy');
  learning.family4 = true;
  const off = make(false);
  off.foresee([accept('d')]);
  await off.commit(4, [append(accept('d'))]);
  t.match(off.counts, { netlink: { commits: 0 }, lastRestore: 'switched off by --rule-backend' });
  t.same(
    kernel.rules('filter', 'DOCKER'),
    ['b', 'c', 'd'].map((name) => accept(name).text),
  );
  t.same(learnt.length, 2, 'a switched-off one learns nothing');
});

t.test('only rules of tables that exist are learnt ahead', async (t) => {
  const { kernel, learnt, backend } = await makeHost();
  kernel.missing.add('nat');
  backend.foresee([accept('a'), accept('b', 4, 'nat')]);
  await new Promise(setImmediate);
  t.same(learnt, [accept('a')]);
});

t.test('another program changes rules', async (t) => {
  const { kernel, nft, backend } = await makeHost();
  await backend.commit(4, [append(accept('a')), append(accept('b'))]);
  nft.meanwhile = () => void kernel.tables(4).get('filter')?.get('DOCKER')?.rules.unshift('-j X');
  await backend.commit(4, [append(accept('c'))]);
  t.equal(kernel.restores.length, 0, 'ERESTART: asked, and sent again');
  t.same(kernel.rules('filter', 'DOCKER').length, 4);

  const chain = () => kernel.tables(4).get('filter')?.get('DOCKER')?.rules ?? [];
  chain().splice(3, 1);
  nft.generation();
  await nft.findHandles([]);
  chain().push(accept('c').text);
  await backend.commit(4, [remove(accept('c')), append(accept('c'))]);
  t.equal(kernel.restores.length, 0, 'made anew by others: found by its bytes');

  chain().splice(1, 1);
  const gone = backend.commit(4, [remove(accept('a')), append(accept('d'))]);
  await t.rejects(gone, { message: /-D DOCKER -i a/ }, 'ENOENT: iptables does not find it either');
  t.notOk(kernel.rules('filter', 'DOCKER').includes(accept('d').text), 'all or nothing');
  await backend.commit(4, [remove(accept('b')), append(accept('d'))]);
  t.equal(kernel.restores.length, 1, 'handles are looked up again after a refusal');

  kernel.flushRuleset();
  await kernel.restore(4, '*filter\n-N DOCKER\n-A DOCKER -i x -j DROP\nCOMMIT\n');
  const anew = backend.commit(4, [remove(accept('d'))]);
  await t.rejects(anew, { message: /-D DOCKER -i d/ }, 'the handle would name another rule');
  t.same(kernel.rules('filter', 'DOCKER'), ['-i x -j DROP']);
});

t.test('iptables-restore cannot write, and deletes what netlink has written', async (t) => {
  const { kernel, nft, unknown, backend } = await makeHost();
  const rules = ['a', 'b', 'c'].map((name) => accept(name));
  await backend.commit(4, rules.map(append));
  const deleted: HandledRule[] = [];
  kernel.deletesByHandle = () => true;
  kernel.deleteRules = async (_family, handled) => void deleted.push(...handled);
  unknown.add(accept('d').text);
  await backend.commit(4, [append(accept('d')), ...rules.slice(0, 2).map(remove)]);
  t.equal(backend.counts.lastRestore, 'a rule of an unknown kind');
  t.match(kernel.restores, [{ text: '*filter\n-A DOCKER -i d -j ACCEPT\nCOMMIT\n' }]);
  const chain = { table: 'filter', chain: 'DOCKER' };
  const handles = await nft.findHandles(
    rules.map((rule) => ({ rule, expressions: Buffer.from(rule.text) })),
  );
  t.same(
    deleted,
    rules.slice(0, 2).map((rule) => ({ ...chain, handle: handles.get(rule)?.[0] })),
    'by the handles of the echoes',
  );
});

t.test('others copy a rule: the topmost copy is deleted, whoever has written it', async (t) => {
  const { kernel, backend } = await makeHost();
  await backend.commit(4, [append(accept('a')), append(accept('b'))]);
  kernel.tables(4).get('filter')?.get('DOCKER')?.rules.unshift(accept('b').text);
  await backend.read(4);
  await backend.commit(4, [remove(accept('b'))]);
  t.equal(kernel.restores.length, 0);
  t.same(kernel.rules('filter', 'DOCKER'), [accept('a').text, accept('b').text]);
});

t.test('a rule between its copies is found by its bytes', async (t) => {
  const { kernel, backend } = await makeHost();
  const a = accept('a');
  await backend.commit(4, [append(a), append(accept('b')), append(a)]);
  const insert: RuleChange = { op: 'insert', rule: a, position: 2, below: accept('b') };
  await backend.commit(4, [insert]);
  await backend.commit(4, [remove(a), remove(a)]);
  t.equal(kernel.restores.length, 0);
  t.same(kernel.rules('filter', 'DOCKER'), [accept('b').text, a.text]);
});

t.test('a table is made anew between the look-up and the transaction', async (t) => {
  const { kernel, nft, backend } = await makeHost();
  await backend.commit(4, [append(accept('a'))]);
  nft.meanwhile = () => {
    kernel.flushRuleset();
    const chains = kernel.tables(4).get('filter');
    chains?.set('DOCKER', { policy: '-', rules: ['-i x -j DROP', accept('a').text] });
  };
  await backend.commit(4, [remove(accept('a'))]);
  t.equal(backend.counts.lastRestore, 'a table was made anew');
  t.same(kernel.rules('filter', 'DOCKER'), ['-i x -j DROP'], 'by its text');
});

t.test('faults of the kernel', async (t) => {
  const { kernel, nft, backend, log } = await makeHost();
  nft.failures.push('EMSGSIZE');
  await backend.commit(4, [append(accept('a'))]);
  t.equal(backend.counts.lastRestore, 'refused (EMSGSIZE)');
  nft.failures.push(...Array(9).fill('ERESTART'));
  await backend.commit(4, [append(accept('b'))]);
  t.equal(backend.counts.lastRestore, 'refused (ERESTART)', 'not for ever');
  nft.failures.splice(0);
  nft.failures.push('ENOBUFS');
  const unknown = backend.commit(4, [append(accept('c'))]);
  await t.rejects(unknown, { code: 'firewall-failed', message: /by netlink: answers were lost/ });
  await backend.commit(4, [append(accept('d')), remove(accept('a'))]);
  t.same(
    kernel.rules('filter', 'DOCKER'),
    [accept('b').text, accept('d').text],
    'handles are found again',
  );
  t.equal(kernel.restores.length, 2);
  t.equal(log.lines.filter(({ level }) => level === 'error').length, 0);
});

t.test('very many rules are deleted in steps, and listed once', async (t) => {
  const { kernel, nft, make } = await makeHost();
  const backend = make(true, 3);
  backend.open();
  const rules = Array.from({ length: 7 }, (_, number) => accept(`p${number}`));
  const texts = rules.map(({ text }) => text);
  kernel
    .tables(4)
    .get('filter')
    ?.get('DOCKER')
    ?.rules.push(...texts);
  let listed = 0;
  const find = nft.findHandles.bind(nft);
  nft.findHandles = (sought) => {
    listed += 1;
    return find(sought);
  };
  const send = nft.transaction.bind(nft);
  const sizes: number[] = [];
  nft.transaction = (batch: RuleBatch) => {
    sizes.push(batch.last);
    if (sizes.length === 2) nft.failures.push('EMSGSIZE');
    return send(batch);
  };
  await backend.commit(4, rules.map(remove));
  t.same(kernel.rules('filter', 'DOCKER'), []);
  t.equal(listed, 1);
  t.same(sizes, [3, 3]);
  t.equal(kernel.restores.length, 1, 'from the refused step on, all goes by one iptables-restore');
  t.match(backend.counts, { netlink: { changes: 3 }, restore: { commits: 1, changes: 4 } });
});

t.test('a host without nf_tables', async (t) => {
  const { kernel, learning, log } = await makeHost();
  const backend = new NetlinkBackend(new RestoreBackend(kernel, log), learning, log, true, () => {
    throw new Error('EPROTONOSUPPORT');
  });
  await backend.commit(4, [append(accept('a'))]);
  t.equal(backend.counts.lastRestore, 'no socket of nf_tables');
  t.same(kernel.rules('filter', 'DOCKER'), [accept('a').text]);
});
