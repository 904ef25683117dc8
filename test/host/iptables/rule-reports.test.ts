import t from 'tap';
import { KnownHandles } from '../../../src/core/rules/known-handles.js';
import { makeRule } from '../../../src/core/rules/rule.js';
import { RuleHandles } from '../../../src/host/iptables/handles.js';
import { interfaceName } from '../../golden/golden.js';

const rules = Array.from({ length: 1_001 }, (_, at) =>
  makeRule(4, 'nat', 'DOCKER', { inInterface: interfaceName(`br-${at}`) }, 'RETURN'),
);
const changes = rules.map((rule) => ({ op: 'append' as const, rule }));
const report = rules.map(({ table, chain }, at) => ({ table, chain, handle: at + 2 }));

const by = (pid: number, added: typeof report) => {
  return { pid, added, tableDeleted: false, generation: 1 };
};

t.test('many deletions wait for the report', async (t) => {
  const handles = new RuleHandles(4, new KnownHandles());
  handles.expect(5, changes);
  t.equal(await handles.areKnown(rules.slice(0, 1)), false, 'few do not');
  const known = handles.areKnown(rules);
  handles.noteTransaction(by(6, []));
  handles.noteTransaction(by(5, report));
  t.equal(await known, true);
  t.equal(handles.deletionsOf(rules)?.length, rules.length);
});

t.test('nothing is waited for that was missed', async (t) => {
  const handles = new RuleHandles(4, new KnownHandles());
  handles.expect(5, changes);
  const known = handles.areKnown(rules);
  handles.forget();
  t.equal(await known, false);
  handles.noteTransaction(by(5, report));
  t.equal(await handles.areKnown(rules), false, 'nor learnt afterwards');
});

t.test('a table that was deleted had other handles', async (t) => {
  const handles = new RuleHandles(4, new KnownHandles());
  handles.expect(5, changes);
  handles.noteTransaction(by(5, report));
  handles.noteTransaction({ ...by(7, []), tableDeleted: true });
  t.equal(await handles.areKnown(rules), false);
});
