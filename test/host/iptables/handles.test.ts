import t from 'tap';
import { KnownHandles } from '../../../src/core/rules/known-handles.js';
import { makeRule, type Rule } from '../../../src/core/rules/rule.js';
import { RuleHandles } from '../../../src/host/iptables/handles.js';
import { interfaceName } from '../../golden/golden.js';

const rule = (bridge: string, table: 'filter' | 'nat' = 'filter'): Rule =>
  makeRule(4, table, 'DOCKER', { inInterface: interfaceName(bridge) }, 'RETURN');
const report = (handle: number, table = 'filter', chain = 'DOCKER') => ({ table, chain, handle });
const deletion = (rule: Rule, handle: number) => ({ op: 'delete', rule, handle });
const [one, two, three] = [rule('br-1'), rule('br-2'), rule('br-3', 'nat')];

t.test('numbers are learnt in the order of what was added, table by table', async (t) => {
  const handles = new RuleHandles(4, new KnownHandles());
  handles.expect(5, [
    { op: 'append', rule: one },
    { op: 'delete', rule: one },
    { op: 'insert', rule: two, position: 0 },
    { op: 'append', rule: three },
  ]);
  handles.learn(6, [report(1), report(2)], 1);
  t.equal(handles.deletionsOf([one]), undefined, 'another process tells nothing');
  handles.learn(5, [report(11), report(12)], 1);
  handles.learn(5, [report(21, 'nat')], 1);
  const deletions = handles.deletionsOf([one, two, three]);
  t.same(deletions, [deletion(one, 11), deletion(two, 12), deletion(three, 21)]);
  handles.deleted(deletions ?? []);
  t.equal(handles.deletionsOf([one]), undefined, 'a number is good for one deletion');
});

t.test('nothing is guessed', async (t) => {
  const handles = new RuleHandles(4, new KnownHandles());
  const changes = [
    { op: 'append' as const, rule: one },
    { op: 'append' as const, rule: two },
  ];
  handles.expect(5, changes);
  handles.learn(5, [report(11)], 1);
  t.equal(handles.deletionsOf([one]), undefined, 'too few');
  handles.expect(6, changes);
  handles.learn(6, [report(11, 'filter', 'OTHER'), report(12)], 1);
  t.equal(handles.deletionsOf([one]), undefined, 'another chain');
  t.ok(handles.deletionsOf([two]));
  handles.expect(7, changes);
  handles.learn(7, [report(11), report(12)], 1);
  t.equal(handles.deletionsOf([one, three]), undefined, 'all or none');
  handles.forget();
  t.equal(handles.deletionsOf([one]), undefined, 'a new table has new numbers');
  for (let pid = 100; pid < 200; pid += 1) handles.expect(pid, changes);
  handles.learn(100, [report(1), report(2)], 1);
  t.equal(handles.deletionsOf([one]), undefined, 'commits that are never reported are forgotten');
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
  handles.learn(5, [report(11), report(12)], 1);
  handles.learn(5, [report(13, 'nat')], 1);
  t.equal(handles.deletionsOf([one]), undefined);
  t.equal(handles.deletionsOf([three]), undefined);
  t.same(handles.deletionsOf([two]), [deletion(two, 12)]);
});

t.test('both transports know the same handles', async (t) => {
  const known = new KnownHandles();
  const handles = new RuleHandles(4, known);
  known.set(one, [7, 9]);
  known.set({ ...one, family: 6 }, [7]);
  t.same(handles.deletionsOf([one]), [deletion(one, 7)], 'the topmost copy, as iptables');
  handles.expect(5, [{ op: 'append', rule: one }]);
  t.same(known.of(one), [], 'of several copies it is not told which is on top');
  handles.learn(5, [report(10)], 1);
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
  handles.learn(5, [report(1)], 1);
  t.ok(handles.awaits([one, three]));
  t.notOk(handles.awaits([one]));
  t.notOk(handles.awaits([one, two]), 'that one will never be reported');
  handles.learn(5, [report(1, 'nat')], 1);
  t.notOk(handles.awaits([one, three]));
  t.same(handles.deletionsOf([three]), [deletion(three, 1)]);
});

t.test('a report about a table that was made anew meanwhile tells nothing', async (t) => {
  const known = new KnownHandles();
  const handles = new RuleHandles(4, known);
  handles.expect(5, [{ op: 'append', rule: one }]);
  handles.expect(6, [{ op: 'append', rule: two }]);
  handles.expect(7, [{ op: 'append', rule: three }]);
  known.forgetBefore(4, 'filter', 9);
  handles.learn(5, [report(11)], 8);
  t.equal(handles.deletionsOf([one]), undefined, 'the handle may name a rule of others by now');
  handles.learn(6, [report(12)], 9);
  t.same(handles.deletionsOf([two]), [deletion(two, 12)]);
  handles.learn(7, [report(13, 'nat')], 8);
  t.same(handles.deletionsOf([three]), [deletion(three, 13)], 'the other table is the same');
});
