import t from 'tap';
import type { RuleBatch, RuleDeletion } from '../../../src/codec/nf-tables/rule-batch.js';
import { makeRule } from '../../../src/core/rules/rule.js';
import { RestoreBackend } from '../../../src/host/iptables/restore-backend.js';
import { NetlinkBackend } from '../../../src/host/nf-tables/netlink-backend.js';
import { accept, append, makeHost, remove } from '../../fakes/netlink-host.js';

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

t.test('iptables-restore cannot write, and deletes what netlink has written', async (t) => {
  const { kernel, nft, restore, unknown, backend } = await makeHost();
  const rules = ['a', 'b', 'c'].map((name) => accept(name));
  await backend.commit(4, rules.map(append));
  restore.noteTransaction({ pid: 1, added: [], tableDeleted: false, generation: 7 });
  const deleted: RuleDeletion[] = [];
  kernel.deletesByHandle = () => true;
  kernel.deleteRules = async (deletions, generation) => {
    t.equal(generation, 7);
    deleted.push(...deletions);
    return true;
  };
  unknown.add(accept('d').text);
  await backend.commit(4, [append(accept('d')), ...rules.slice(0, 2).map(remove)]);
  t.equal(backend.counts.lastRestore, 'a rule of an unknown kind');
  t.match(kernel.restores, [{ text: '*filter\n-A DOCKER -i d -j ACCEPT\nCOMMIT\n' }]);
  const handles = await nft.findHandles(
    rules.map((rule) => ({ rule, expressions: Buffer.from(rule.text) })),
  );
  t.same(
    deleted,
    rules.slice(0, 2).map((rule) => ({ op: 'delete', rule, handle: handles.get(rule)?.[0] })),
    'by the handles of the echoes',
  );
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
