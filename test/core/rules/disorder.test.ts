import t from 'tap';
import { disorderedRules, repeatedRules } from '../../../src/core/rules/disorder.js';
import { type Place, place } from '../../../src/core/rules/rule.js';
import { RuleSet } from '../../../src/core/rules/rule-set.js';
import { interfaceName } from '../../golden/golden.js';
import { planRules } from '../../golden/plan-rules.js';

const rule = (where: Place, name: string, chain: 'DOCKER' | 'FORWARD' = 'DOCKER') =>
  place(where, 4, 'filter', chain, { inInterface: interfaceName(name) }, 'ACCEPT');
const [a, b, c, top] = [rule('end', 'a'), rule('end', 'b'), rule('end', 'c'), rule('top', 't')];
const group = [top, a, b, c, rule('end', 'f', 'FORWARD')];
const base = { chains: [{ table: 'filter', chain: 'DOCKER' }], rules: [] } as const;

/** Chain DOCKER with rules for these interfaces, `.` for one of somebody else's. */
function chain(names: string): RuleSet {
  const found = new RuleSet();
  found.addChain('filter', 'DOCKER');
  for (const name of names) found.append('filter', 'DOCKER', `-i ${name} -j ACCEPT`);
  return found;
}

/** The chain after a repair. */
function repaired(names: string): string {
  const found = chain(names);
  planRules(found, base, { add: group, remove: [], relocate: disorderedRules(found, group) });
  return found
    .rules('filter', 'DOCKER')
    .map((text) => text[3])
    .join('');
}

t.test('nothing is touched that is as it should be', async (t) => {
  for (const names of ['tabc', '.ta.b.c.', 'abc', '', 'ab', 'a', 't']) {
    t.strictSame(disorderedRules(chain(names), group), [], names);
  }
});

t.test('what is missing comes back above what belongs below it', async (t) => {
  t.equal(repaired('tabc'), 'tabc');
  t.equal(repaired('bc'), 'tabc');
  t.equal(repaired('.tac.'), '.ta.bc');
  t.equal(repaired('tc'), 'tabc');
  t.equal(repaired('c.'), 't.abc');
});

t.test('a rule that is there twice is deleted once', async (t) => {
  t.equal(repaired('tabcabc'), 'tabc');
  t.equal(repaired('tabct'), 'tabc');
  t.equal(repaired('tab.cc.'), 'tab..c');
  t.strictSame(repeatedRules(chain('tabcac'), group), [a.rule, c.rule]);
  t.strictSame(repeatedRules(chain('tabc'), group), []);
  const found = chain('aab');
  const lift = [a.rule, b.rule, a.rule];
  planRules(found, base, { add: [a, b], remove: [], relocate: lift });
  t.strictSame(
    found.rules('filter', 'DOCKER'),
    [a.rule.text, b.rule.text],
    'named twice, lifted once',
  );
});
