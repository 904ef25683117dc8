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

t.test('many deletions wait for the report', async (t) => {
  const handles = new RuleHandles(4, new KnownHandles());
  handles.expect(5, changes);
  t.equal(await handles.takeReported(rules.slice(0, 1)), undefined, 'few do not');
  const taken = handles.takeReported(rules);
  handles.noteTransaction(6, [], false);
  handles.noteTransaction(5, report, false);
  t.equal((await taken)?.length, rules.length);
});

t.test('nothing is waited for that was missed', async (t) => {
  const handles = new RuleHandles(4, new KnownHandles());
  handles.expect(5, changes);
  const taken = handles.takeReported(rules);
  handles.forget();
  t.equal(await taken, undefined);
  handles.noteTransaction(5, report, false);
  t.equal(await handles.takeReported(rules), undefined, 'nor learnt afterwards');
});

t.test('a table that was deleted had other handles', async (t) => {
  const handles = new RuleHandles(4, new KnownHandles());
  handles.expect(5, changes);
  handles.noteTransaction(5, report, false);
  handles.noteTransaction(7, [], true);
  t.equal(await handles.takeReported(rules), undefined);
});
