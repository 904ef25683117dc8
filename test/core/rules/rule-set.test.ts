import t from 'tap';
import { makeRule } from '../../../src/core/rules/rule.js';
import { type RuleChange, RuleSet } from '../../../src/core/rules/rule-set.js';
import { interfaceName } from '../../golden/golden.js';

const rule = (name: string) =>
  makeRule(4, 'filter', 'FORWARD', { inInterface: interfaceName(name) }, 'ACCEPT');
const [a, b, c] = [rule('a'), rule('b'), rule('c')];
const append = (...rules: (typeof a)[]): RuleChange[] =>
  rules.map((rule) => ({ op: 'append', rule }));
const texts = (rules: RuleSet) => rules.rules('filter', 'FORWARD').map((text) => text[3]);

t.test('a rule set knows its chains, policies and rules', async (t) => {
  const rules = new RuleSet();
  t.equal(rules.hasChain('filter', 'DOCKER'), false);
  t.equal(rules.has(a), false);
  t.equal(rules.positionOf(a), undefined);
  t.same(rules.rules('filter', 'FORWARD'), []);
  rules.addChain('filter', 'FORWARD', 'ACCEPT');
  rules.addChain('filter', 'FORWARD', 'DROP');
  t.equal(rules.policy('filter', 'FORWARD'), 'ACCEPT', 'a chain is made once');
  rules.append('filter', 'DOCKER', '-j RETURN');
  rules.append('nat', 'DOCKER', '-j RETURN');
  t.same(rules.chains('filter'), ['FORWARD', 'DOCKER']);
  t.same(rules.chains('raw'), []);
  t.equal(rules.has(makeRule(4, 'filter', 'DOCKER', {}, 'RETURN')), true);
  t.equal(rules.has(makeRule(4, 'raw', 'PREROUTING', {}, 'RETURN')), false);
});

t.test('a rule set follows the changes of a commit', async (t) => {
  const rules = new RuleSet();
  rules.apply([
    { op: 'create-chain', table: 'filter', chain: 'DOCKER' },
    { op: 'policy', table: 'filter', chain: 'FORWARD', policy: 'DROP' },
    ...append(a, b),
    { op: 'insert', rule: c, position: 1 },
  ]);
  t.same(texts(rules), ['a', 'c', 'b']);
  t.equal(rules.positionOf(b), 2);
  t.equal(rules.policy('filter', 'FORWARD'), 'DROP');
  t.equal(rules.hasChain('filter', 'DOCKER'), true);

  rules.apply([{ op: 'delete-chain', table: 'filter', chain: 'DOCKER' }]);
  t.equal(rules.hasChain('filter', 'DOCKER'), false);

  rules.apply([{ op: 'delete', rule: rule('other') }]);
  t.same(texts(rules), ['a', 'c', 'b'], 'what is not there cannot go');

  rules.apply([
    { op: 'delete', rule: a },
    { op: 'insert', rule: a, position: 1 },
  ]);
  t.same(
    texts(rules),
    ['c', 'a', 'b'],
    'positions are counted with the deletions before them done',
  );
});

t.test('the first of two equal rules goes first', async (t) => {
  const rules = new RuleSet();
  rules.apply(append(a, b, a));
  rules.apply([{ op: 'delete', rule: a }]);
  t.same(texts(rules), ['b', 'a']);
  t.equal(rules.has(a), true);
  rules.apply([
    { op: 'delete', rule: a },
    { op: 'delete', rule: a },
  ]);
  t.same(texts(rules), ['b']);
  t.equal(rules.has(a), false);
});

t.test('rules that a chain has several times', async (t) => {
  const rules = new RuleSet();
  rules.append('nat', 'DOCKER', '-j RETURN');
  rules.apply(append(a, b, a));
  t.same([...rules.repeated()], [{ table: 'filter', chain: 'FORWARD', text: a.text }]);
  rules.apply([{ op: 'delete', rule: a }]);
  t.same([...rules.repeated()], []);
});

t.test('a copy of a rule set does not change with the original', async (t) => {
  const rules = new RuleSet();
  rules.addChain('filter', 'FORWARD', 'ACCEPT');
  rules.apply(append(a, a, b));
  const copy = rules.copy();
  copy.apply([
    { op: 'delete', rule: a },
    { op: 'policy', table: 'filter', chain: 'FORWARD', policy: 'DROP' },
  ]);
  t.same(texts(rules), ['a', 'a', 'b']);
  t.same(texts(copy), ['a', 'b']);
  t.equal(rules.policy('filter', 'FORWARD'), 'ACCEPT');
  t.equal(rules.count(a), 2);
  t.equal(copy.count(a), 1);
  t.equal(copy.count(c), 0);
  t.equal(new RuleSet().count(a), 0);
});
