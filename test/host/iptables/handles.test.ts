import t from 'tap';
import { mostDeletions, renderDeletions } from '../../../src/codec/nf-tables/nft-script.js';
import { KnownHandles } from '../../../src/core/rules/known-handles.js';
import { makeRule, type Rule } from '../../../src/core/rules/rule.js';
import { RuleHandles } from '../../../src/host/iptables/handles.js';
import { interfaceName } from '../../golden/golden.js';

const rule = (bridge: string, table: 'filter' | 'nat' = 'filter'): Rule =>
  makeRule(4, table, 'DOCKER', { inInterface: interfaceName(bridge) }, 'RETURN');
const report = (handle: number, table = 'filter', chain = 'DOCKER') => ({ table, chain, handle });
const [one, two, three] = [rule('br-1'), rule('br-2'), rule('br-3', 'nat')];

t.test('numbers are learnt in the order of what was added, table by table', async (t) => {
  const handles = new RuleHandles(4, new KnownHandles());
  handles.expect(5, [
    { op: 'append', rule: one },
    { op: 'delete', rule: one },
    { op: 'insert', rule: two, position: 0 },
    { op: 'append', rule: three },
  ]);
  handles.learn(6, [report(1), report(2)]);
  t.equal(handles.take([one]), undefined, 'another process tells nothing');
  handles.learn(5, [report(11), report(12)]);
  handles.learn(5, [report(21, 'nat')]);
  const taken = handles.take([one, two, three]);
  t.equal(
    taken && renderDeletions(4, taken).join(),
    'delete rule ip filter DOCKER handle 11\n' +
      'delete rule ip filter DOCKER handle 12\n' +
      'delete rule ip nat DOCKER handle 21\n',
  );
  t.equal(handles.take([one]), undefined, 'a number is good for one deletion');
  t.same(renderDeletions(6, [report(1) as never]), ['delete rule ip6 filter DOCKER handle 1\n']);
});

t.test('nothing is guessed', async (t) => {
  const handles = new RuleHandles(4, new KnownHandles());
  const changes = [
    { op: 'append' as const, rule: one },
    { op: 'append' as const, rule: two },
  ];
  handles.expect(5, changes);
  handles.learn(5, [report(11)]);
  t.equal(handles.take([one]), undefined, 'too few');
  handles.expect(6, changes);
  handles.learn(6, [report(11, 'filter', 'OTHER'), report(12)]);
  t.equal(handles.take([one]), undefined, 'another chain');
  t.ok(handles.take([two]));
  handles.expect(7, changes);
  handles.learn(7, [report(11), report(12)]);
  t.equal(handles.take([one, three]), undefined, 'all or none');
  handles.forget();
  t.equal(handles.take([one]), undefined, 'a new table has new numbers');
  for (let pid = 100; pid < 200; pid += 1) handles.expect(pid, changes);
  handles.learn(100, [report(1), report(2)]);
  t.equal(handles.take([one]), undefined, 'commits that are never reported are forgotten');
});

t.test('a rule is deleted by netlink before its addition is reported', async (t) => {
  const handles = new RuleHandles(4, new KnownHandles());
  handles.noteDeleted([one]);
  handles.expect(5, [
    { op: 'append', rule: one },
    { op: 'append', rule: two },
    { op: 'append', rule: three },
  ]);
  handles.noteDeleted([one, three]);
  t.notOk(handles.awaits([one]));
  handles.learn(5, [report(11), report(12)]);
  handles.learn(5, [report(13, 'nat')]);
  t.equal(handles.take([one]), undefined);
  t.equal(handles.take([three]), undefined);
  t.same(handles.take([two]), [report(12)]);
});

t.test('both ways of a commit know the same handles', async (t) => {
  const known = new KnownHandles();
  const handles = new RuleHandles(4, known);
  known.set(one, [7, 9]);
  known.set({ ...one, family: 6 }, [7]);
  t.same(handles.take([one]), [report(7)], 'the topmost copy, as iptables');
  handles.expect(5, [{ op: 'append', rule: one }]);
  t.same(known.of(one), [], 'of several copies it is not told which is on top');
  handles.learn(5, [report(10)]);
  t.same(known.of(one), [10]);
  handles.forget();
  t.same([known.of(one), known.of({ ...one, family: 6 })], [[], [7]]);
});

t.test('what has still to be reported', async (t) => {
  const handles = new RuleHandles(4, new KnownHandles());
  t.notOk(handles.awaits([one]));
  handles.expect(5, [
    { op: 'append', rule: one },
    { op: 'append', rule: three },
    { op: 'delete', rule: two },
  ]);
  t.ok(handles.awaits([one, three]));
  handles.learn(5, [report(1)]);
  t.ok(handles.awaits([one, three]));
  t.notOk(handles.awaits([one]));
  t.notOk(handles.awaits([one, two]), 'that one will never be reported');
  handles.learn(5, [report(1, 'nat')]);
  t.notOk(handles.awaits([one, three]));
  t.same(handles.take([three]), [report(1, 'nat')]);
});

t.test('very many are deleted in several transactions', async (t) => {
  const rules = Array.from({ length: 2 * mostDeletions + 1 }, (_, number) => report(number));
  const texts = renderDeletions(4, rules as never);
  t.same(
    texts.map((text) => text.split('\n').length - 1),
    [mostDeletions, mostDeletions, 1],
  );
  t.same(renderDeletions(4, []), []);
});
