import t from 'tap';
import { makeRule, type Rule } from '../../../src/core/rules/rule.js';
import type { RuleChange } from '../../../src/core/rules/rule-set.js';
import { addedBy, inParts, inTransactions } from '../../../src/core/rules/transactions.js';
import { interfaceName } from '../../golden/golden.js';

const rule = (table: 'filter' | 'nat', bridge: string): Rule =>
  makeRule(4, table, 'DOCKER', { inInterface: interfaceName(bridge) }, 'RETURN');
const append = (rule: Rule): RuleChange => ({ op: 'append', rule });

t.test('the rules that a transaction adds are known in order', async (t) => {
  const [one, two] = [rule('nat', 'br-1'), rule('filter', 'br-2')];
  const added = addedBy([
    append(one),
    { op: 'delete', rule: one },
    { op: 'insert', rule: two, position: 0 },
    { op: 'create-chain', table: 'nat', chain: 'DOCKER' },
  ]);
  t.strictSame(added, [one, two]);
});

t.test('as many as the kernel can report at once stay together', async (t) => {
  t.strictSame(inParts([]), []);
  const nat = Array(10_000).fill(append(rule('nat', 'br-1')));
  const filter = Array(10_000).fill(append(rule('filter', 'br-1')));
  const changes = [...nat, ...filter];
  const [only, ...rest] = inParts(changes);
  t.equal(only, changes);
  t.strictSame(rest, []);
});

t.test('what keeps packets out is there before what lets them in, and goes after it', async (t) => {
  const name = interfaceName('br-1');
  const guard = makeRule(4, 'mangle', 'TSBRIDGE-PROXY-DROP', { inInterface: name }, 'DROP');
  const shown = (changes: readonly RuleChange[]) =>
    inTransactions(changes).map(({ table, changes }) => `${table} ${changes.map(({ op }) => op)}`);
  const nat = rule('nat', 'br-1');
  t.strictSame(shown([append(nat), append(guard)]), ['mangle append', 'nat append']);
  t.strictSame(
    shown([
      { op: 'delete', rule: guard },
      { op: 'delete-chain', table: 'mangle', chain: 'TSBRIDGE-PROXY-DROP' },
      { op: 'delete', rule: nat },
      { op: 'delete', rule: rule('filter', 'br-1') },
    ]),
    ['filter delete', 'nat delete', 'mangle delete,delete-chain'],
  );
  t.strictSame(
    shown([
      { op: 'delete', rule: guard },
      append(guard),
      { op: 'delete', rule: guard },
      append(nat),
    ]),
    ['mangle delete,append', 'nat append', 'mangle delete'],
    'the order within a table stays',
  );
});

t.test('more come in parts, in the order of the tables', async (t) => {
  const nat = Array.from({ length: 12_000 }, (_, at) => append(rule('nat', `br-${at}`)));
  const filter = Array.from({ length: 12_001 }, (_, at) => append(rule('filter', `br-${at}`)));
  const parts = inParts([...nat, ...filter]);
  t.strictSame(
    parts.map((part) => part.length),
    [10_000, 10_000, 4_001],
  );
  const sorted = [...filter, ...nat];
  t.ok(parts.flat().every((change, at) => change === sorted[at]));
});

t.test('the way by netlink asks for smaller parts', async (t) => {
  const changes = Array.from({ length: 7 }, (_, at) => append(rule('nat', `br-${at}`)));
  t.strictSame(
    inParts(changes, 3).map(({ length }) => length),
    [3, 3, 1],
  );
  t.strictSame(inParts(changes.slice(1), 3), [changes.slice(1)]);
});
