import t from 'tap';
import { makeRule } from '../../../src/core/rules/rule.js';
import { RuleNumbers } from '../../../src/driver/rules/rule-numbers.js';
import { interfaceName } from '../../golden/golden.js';

const rules = Array.from({ length: 1_001 }, (_, at) =>
  makeRule(4, 'nat', 'DOCKER', { inInterface: interfaceName(`br-${at}`) }, 'RETURN'),
);
const changes = rules.map((rule) => ({ op: 'append' as const, rule }));
const report = rules.map(({ table, chain }, at) => ({ table, chain, handle: at + 2 }));

t.test('many deletions wait for the report', async (t) => {
  const numbers = new RuleNumbers();
  numbers.expect(5, changes);
  t.equal(await numbers.take(rules.slice(0, 1)), undefined, 'few do not');
  const taken = numbers.take(rules);
  numbers.note(6, [], false);
  numbers.note(5, report, false);
  t.equal((await taken)?.length, rules.length);
});

t.test('nothing is waited for that was missed', async (t) => {
  const numbers = new RuleNumbers();
  numbers.expect(5, changes);
  const taken = numbers.take(rules);
  numbers.forget();
  t.equal(await taken, undefined);
  numbers.note(5, report, false);
  t.equal(await numbers.take(rules), undefined, 'nor learnt afterwards');
});

t.test('a table that was deleted had other numbers', async (t) => {
  const numbers = new RuleNumbers();
  numbers.expect(5, changes);
  numbers.note(5, report, false);
  numbers.note(7, [], true);
  t.equal(await numbers.take(rules), undefined);
});
