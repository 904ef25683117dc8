/** Rules written by netlink while others write, too: whose handles are whose. */
import t from 'tap';
import type { RuleChange } from '../../../src/core/rules/rule-set.js';
import { accept, append, makeHost, remove } from '../../fakes/netlink-host.js';

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

t.test('a table is made anew while its rules are listed', async (t) => {
  const { kernel, nft, restore, unknown, backend } = await makeHost();
  await kernel.restore(4, '*filter\n-A DOCKER -i a -j ACCEPT\nCOMMIT\n');
  const find = nft.findHandles.bind(nft);
  nft.findHandles = async (sought) => {
    const found = await find(sought);
    kernel.flushRuleset();
    await kernel.restore(4, '*filter\n-N DOCKER\n-A DOCKER -i x -j DROP\nCOMMIT\n');
    return found;
  };
  unknown.add(accept('b').text);
  kernel.deletesByHandle = () => true;
  kernel.deleteRules = () => t.fail('the handle may name another rule') as never;
  restore.noteTransaction({ pid: 1, added: [], tableDeleted: true, generation: 7 });
  const commit = backend.commit(4, [remove(accept('a')), append(accept('b'))]);
  await t.rejects(commit, { message: /-D DOCKER -i a/ });
  t.equal(kernel.rules('filter', 'DOCKER')[0], '-i x -j DROP');
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
