import t from 'tap';
import {
  blindDeletions,
  comparableBase,
  comparableEdit,
  describePartial,
} from '../../../../src/core/rules/chains/partial-chains.js';
import { makeRule, type PlacedRule, type Rule } from '../../../../src/core/rules/rule.js';
import { RuleSet } from '../../../../src/core/rules/rule-set.js';

const jump = makeRule(4, 'filter', 'FORWARD', {}, { jump: 'DOCKER' });
const hidden = makeRule(4, 'filter', 'FORWARD', { protocol: 'tcp' }, 'ACCEPT');
const elsewhere = makeRule(4, 'filter', 'DOCKER', { protocol: 'tcp' }, 'ACCEPT');
const atEnd = (rule: Rule): PlacedRule => ({ rule, place: 'end' });
const model = new RuleSet();
model.markPartial('filter', 'FORWARD');
model.addChain('filter', 'DOCKER');

t.test('a repair compares what it can see: bare jumps, and rules of whole chains', async (t) => {
  const edit = {
    add: [jump, hidden, elsewhere].map(atEnd),
    remove: [hidden, elsewhere],
    relocate: [jump, hidden],
    stale: [hidden],
  };
  t.strictSame(comparableEdit(model, edit), {
    add: [jump, elsewhere].map(atEnd),
    remove: [elsewhere],
    relocate: [jump],
    stale: [],
  });
  const base = { chains: [], rules: edit.add };
  t.strictSame(comparableBase(model, base).rules, [jump, elsewhere].map(atEnd));
});

t.test('a call deletes a rule that cannot be seen, and leaves seen ones to the plan', async (t) => {
  const own = new RuleSet();
  own.markPartial('filter', 'FORWARD');
  t.strictSame(blindDeletions(own, [jump, hidden, elsewhere]), [{ op: 'delete', rule: hidden }]);
});

t.test('the text about a partial chain names the chain, the table and the way out', async (t) => {
  t.match(describePartial('nat', 'DOCKER'), /^chain DOCKER of table nat .*; move them to a table/);
});
