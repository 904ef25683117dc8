import t from 'tap';
import { KnownHandles } from '../../../src/core/rules/known-handles.js';
import { makeRule } from '../../../src/core/rules/rule.js';

const rule = makeRule(4, 'filter', 'DOCKER', {}, 'DROP');
const other = makeRule(4, 'nat', 'DOCKER', {}, 'RETURN');

t.test('handles are kept by rule, copy by copy, and forgotten by table', async (t) => {
  const known = new KnownHandles();
  t.same(known.of(rule), []);
  known.set(rule, [7, 9]);
  known.set(other, [7]);
  t.same(known.of({ ...rule }), [7, 9], 'by what the rule is');
  t.same(known.of({ ...rule, family: 6 }), []);
  known.remove(rule, 7);
  t.same(known.of(rule), [9]);
  known.remove(rule, 9);
  t.same(known.of(rule), []);
  known.set(rule, [1]);
  known.forget(4, 'filter');
  t.same([known.of(rule), known.of(other)], [[], [7]]);
  known.set(rule, [1]);
  known.forgetText(4, 'filter', 'DOCKER', other.text);
  known.forgetText(4, 'raw', 'DOCKER', rule.text);
  t.same(known.of(rule), [1]);
  known.forgetText(4, 'filter', 'DOCKER', rule.text);
  t.same([known.of(rule), known.of(other)], [[], [7]]);
  known.forgetFamily(6);
  t.same(known.of(other), [7]);
  known.forgetFamily(4);
  t.same(known.of(other), []);
});

t.test('what was reported of a table before this one of its name is outdated', async (t) => {
  const known = new KnownHandles();
  t.notOk(known.isOutdated(rule, 1), 'nothing is known of another table');
  known.set(rule, [7]);
  known.forgetBefore(4, 'filter', 5);
  t.same(known.of(rule), []);
  t.ok(known.isOutdated(rule, 4));
  t.notOk(known.isOutdated(rule, 5));
  t.notOk(known.isOutdated(other, 4), 'of another table');
  t.notOk(known.isOutdated({ ...rule, family: 6 }, 4), 'of another family');
});
