/** In which generation of the kernel rules are deleted by their handles, and what is left to be deleted by text. */
import t from 'tap';
import type { RuleDeletion } from '../../../src/codec/nf-tables/rule-batch.js';
import { KnownHandles } from '../../../src/core/rules/known-handles.js';
import { makeRule, type Rule } from '../../../src/core/rules/rule.js';
import { DeletionByHandle } from '../../../src/host/iptables/deletion-by-handle.js';
import { RuleHandles } from '../../../src/host/iptables/handles.js';
import { interfaceName } from '../../golden/golden.js';

const rules = [1, 2, 3, 4, 5].map((number) =>
  makeRule(4, 'filter', 'DOCKER', { inInterface: interfaceName(`br-${number}`) }, 'RETURN'),
);
const [one, two, three] = rules as [Rule, Rule, Rule];

/** A kernel of which only the generation matters. */
function make(generation: number) {
  const kernel = { generation, asked: [] as string[], refused: () => {} };
  const known = new KnownHandles();
  rules.forEach((rule, at) => {
    known.set(rule, [at + 1]);
  });
  const deleteRules = async (deletions: readonly RuleDeletion[], named: number) => {
    await Promise.resolve();
    const handles = deletions.map(({ handle }) => handle).join(' ');
    const made = named === kernel.generation;
    kernel.asked.push(`${handles} in ${named}${made ? '' : ' refused'}`);
    if (made) kernel.generation += 1;
    else kernel.refused();
    return made;
  };
  const deletion = new DeletionByHandle({ deleteRules }, 20, 2);
  return { kernel, known, deletion, handles: new RuleHandles(4, known) };
}

t.test('in the generation of the last report', async (t) => {
  const { kernel, known, deletion, handles } = make(7);
  t.same(await deletion.delete([one], handles), [one], 'none has come');
  deletion.noteReport(7);
  t.same(await deletion.delete(rules, handles), []);
  t.same(kernel.asked, ['1 2 in 7', '3 4 in 8', '5 in 9'], 'and in those that we have made then');
  t.same(known.of(one), []);
  t.same(await deletion.delete([one], handles), [one], 'its handle is not known any more');
  deletion.noteGap();
  known.set(one, [6]);
  t.same(await deletion.delete([one], handles), [one]);
  deletion.noteReport(9);
  t.same(await deletion.delete([one], handles), [], 'of the two deletions before the last');
  deletion.noteReport(12);
  kernel.generation = 12;
  known.set(two, [7]);
  t.same(await deletion.delete([two], handles), []);
  t.same(kernel.asked.slice(3), ['6 in 10', '7 in 12']);
});

t.test('of both families, one after the other', async (t) => {
  const { kernel, deletion, handles } = make(7);
  deletion.noteReport(7);
  await Promise.all([deletion.delete([one], handles), deletion.delete([two], handles)]);
  t.same(kernel.asked, ['1 in 7', '2 in 8']);
});

t.test('others have changed rules: once more when that is read', async (t) => {
  const { kernel, known, deletion, handles } = make(9);
  deletion.noteReport(7);
  kernel.refused = () => setImmediate(() => deletion.noteReport(kernel.generation));
  t.same(await deletion.delete([one], handles), []);
  t.same(kernel.asked, ['1 in 7 refused', '1 in 9']);
  kernel.generation = 20;
  kernel.refused = () =>
    setImmediate(() => {
      handles.noteTransaction({ pid: 0, added: [], tableDeleted: true, generation: 20 });
      deletion.noteReport(20);
    });
  t.same(await deletion.delete([two, three], handles), [two, three], 'a table was made anew');
  t.same(known.of(two), []);
  t.same(kernel.asked.slice(2), ['2 3 in 10 refused']);
});

t.test('no end of changes, or no report', async (t) => {
  const { kernel, deletion, handles } = make(100);
  deletion.noteReport(1);
  t.same(await deletion.delete([one], handles), [one], 'no report comes');
  kernel.refused = () => {
    kernel.generation += 1;
    setImmediate(() => deletion.noteReport(kernel.generation - 1));
  };
  t.same(await deletion.delete([one], handles), [one], 'by its text at last');
  t.equal(kernel.asked.length, 6);
});

t.test('one that fails keeps none from being deleted', async (t) => {
  const known = new KnownHandles();
  known.set(one, [1]);
  let calls = 0;
  const deleteRules = async () => {
    calls += 1;
    if (calls === 1) throw new Error('a rule is not there');
    return true;
  };
  const deletion = new DeletionByHandle({ deleteRules });
  const handles = new RuleHandles(4, known);
  deletion.noteReport(1);
  await t.rejects(deletion.delete([one], handles), { message: 'a rule is not there' });
  t.same(await deletion.delete([one], handles), []);
});
