/** Chains that are there only while an option has rules in them. */
import t from 'tap';
import { passageGroups } from '../../../../src/core/generations/own-options/passage-chains.js';
import {
  groupsOf,
  withGroups,
  withUnused,
} from '../../../../src/core/rules/chains/chain-groups.js';
import {
  editWithoutTables,
  lossOf,
  withoutTables,
} from '../../../../src/core/rules/chains/missing-tables.js';
import type { BaseRules } from '../../../../src/core/rules/plan.js';
import { type OwnedChain, type Place, place } from '../../../../src/core/rules/rule.js';
import { RuleSet } from '../../../../src/core/rules/rule-set.js';
import { interfaceName } from '../../../golden/golden.js';
import { planRules } from '../../../golden/plan-rules.js';

const base: BaseRules = { chains: [], rules: [] };
const groups = passageGroups(4);
const rule = (where: Place, chain: OwnedChain, bridge = 'br-x') =>
  place(where, 4, 'mangle', chain, { outInterface: interfaceName(bridge) }, 'RETURN');
const exempt = rule('top', 'TSBRIDGE-PUBLISH');
const dropped = rule('end', 'TSBRIDGE-PUBLISH-DROP');
const [, , , publish = base] = groups;
const jump = '-j TSBRIDGE-PUBLISH';
const established = '-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN';

function host(): RuleSet {
  const found = new RuleSet();
  found.addChain('mangle', 'FORWARD', 'ACCEPT');
  return found;
}
const listed = (found: RuleSet) =>
  Object.fromEntries(
    found.chains('mangle').map((chain) => [chain, [...found.rules('mangle', chain as OwnedChain)]]),
  );
const add = (found: RuleSet, ...rules: (typeof exempt)[]) =>
  planRules(found, withGroups(base, groups, rules), { add: rules, remove: [] });
const remove = (found: RuleSet, ...rules: (typeof exempt)[]) =>
  planRules(found, base, withUnused({ add: [], remove: rules.map((each) => each.rule) }, groups));

t.test('a group comes with its first rule, and goes with its last one', async (t) => {
  t.equal(withGroups(base, groups, []), base);
  const found = host();
  found.append('mangle', 'FORWARD', '-j OTHERS');
  add(found, dropped, exempt);
  const whole = {
    FORWARD: [jump, '-j OTHERS'],
    'TSBRIDGE-PUBLISH-DROP': ['-o br-x -j RETURN'],
    'TSBRIDGE-PUBLISH': [established, '-o br-x -j RETURN', '-j TSBRIDGE-PUBLISH-DROP'],
  };
  t.same(listed(found), whole);
  t.same(add(found, dropped, exempt), [], 'and stays so');
  remove(found, exempt);
  t.match(listed(found), { 'TSBRIDGE-PUBLISH': [established, '-j TSBRIDGE-PUBLISH-DROP'] });
  t.ok(found.hasChain('mangle', 'TSBRIDGE-PUBLISH-DROP'), 'one rule is left');
  const changes = remove(found, dropped);
  t.same(listed(found), { FORWARD: ['-j OTHERS'] });
  t.same(
    changes.slice(-2).map(({ op }) => op),
    ['delete-chain', 'delete-chain'],
    'once nothing jumps there',
  );
  t.same(remove(found, dropped), [], 'absent ones are no error');
});

t.test('whichever rule is missing comes back where it belongs', async (t) => {
  const found = host();
  add(found, dropped, exempt);
  const whole = listed(found);
  for (const [chain, texts] of Object.entries(whole)) {
    for (const text of texts) {
      const damaged = host();
      for (const [name, all] of Object.entries(whole)) {
        damaged.addChain('mangle', name);
        for (const each of all) {
          if (name !== chain || each !== text) damaged.append('mangle', name, each);
        }
      }
      add(damaged, dropped, exempt);
      t.same(listed(damaged), whole, `${chain} ${text}`);
    }
  }
});

t.test('a group that another program has put a rule in stays, with the way there', async (t) => {
  const found = host();
  add(found, dropped);
  found.append('mangle', 'TSBRIDGE-PUBLISH', '-m comment --comment mine -j LOG');
  remove(found, dropped);
  t.match(listed(found), { FORWARD: [jump] });
  t.ok(found.hasChain('mangle', 'TSBRIDGE-PUBLISH-DROP'));
});

t.test(
  'a group to which another rule jumps stays, since the kernel would refuse the change',
  async (t) => {
    for (const text of ['-i eth0 -j TSBRIDGE-PUBLISH-DROP', '-g TSBRIDGE-PUBLISH']) {
      const found = host();
      add(found, dropped);
      found.append('mangle', 'FORWARD', text);
      remove(found, dropped);
      t.same(listed(found).FORWARD, [jump, text]);
      t.ok(found.hasChain('mangle', 'TSBRIDGE-PUBLISH'));
      t.ok(found.hasChain('mangle', 'TSBRIDGE-PUBLISH-DROP'));
    }
    const similar = host();
    add(similar, dropped);
    similar.append('mangle', 'FORWARD', '-j TSBRIDGE-PUBLISHED');
    remove(similar, dropped);
    t.same(listed(similar), { FORWARD: ['-j TSBRIDGE-PUBLISHED'] });
  },
);

t.test('one that is needed in the same edit stays; a repair looks at all of them', async (t) => {
  const found = host();
  add(found, dropped);
  const other = rule('end', 'TSBRIDGE-PUBLISH-DROP', 'br-y');
  const edit = withUnused({ add: [other], remove: [dropped.rule] }, groups);
  planRules(found, withGroups(base, groups, edit.add), edit);
  t.match(listed(found), { 'TSBRIDGE-PUBLISH-DROP': ['-o br-y -j RETURN'] });
  const repair = { add: [], remove: [], stale: [other.rule], dropUnused: groups };
  t.equal(withUnused(repair, groups), repair);
  planRules(found, base, repair);
  t.same(listed(found), { FORWARD: [] });
});

t.test('without the table, nothing of the group', async (t) => {
  const missing = new Set(['mangle'] as const);
  t.same(withoutTables(missing, publish), base);
  const edit = { add: [], remove: [], dropUnused: groups };
  t.equal(editWithoutTables(missing, edit).dropUnused?.flatMap(({ chains }) => chains).length, 2);
  t.equal(editWithoutTables(missing, { add: [], remove: [] }).dropUnused, undefined);
  t.match(lossOf(4, missing, { add: [exempt] }), /no table mangle for IPv4, without which/);
  t.equal(lossOf(4, new Set(), { add: [exempt] }), undefined);
  t.equal(lossOf(4, new Set(['raw']), { add: [exempt] }), undefined);
  const sctp = place('end', 4, 'mangle', 'POSTROUTING', {}, 'CHECKSUM');
  t.equal(lossOf(4, missing, { add: [sctp] }), undefined, 'Docker’s are left out');
  t.same(groupsOf(groups, [exempt.rule]), [publish]);
});
