import t from 'tap';
import { renderRestore } from '../../../src/codec/iptables/iptables-restore.js';
import { repeatedRules } from '../../../src/core/rules/disorder.js';
import type { BaseRules } from '../../../src/core/rules/plan.js';
import { type DockerChain, type Place, place } from '../../../src/core/rules/rule.js';
import { RuleSet } from '../../../src/core/rules/rule-set.js';
import { interfaceName } from '../../golden/golden.js';
import { planRules } from '../../golden/plan-rules.js';

const jump = (chain: 'DOCKER-USER' | 'DOCKER-FORWARD') =>
  place('anchor', 4, 'filter', 'FORWARD', {}, { jump: chain });
const base: BaseRules = {
  chains: [{ table: 'filter', chain: 'DOCKER-USER' }],
  rules: [jump('DOCKER-USER'), jump('DOCKER-FORWARD')],
};
const ours = (name: string, where: Place) =>
  place(where, 4, 'filter', 'FORWARD', { inInterface: interfaceName(name) }, 'ACCEPT');

function forward(...texts: string[]): RuleSet {
  const found = new RuleSet();
  found.addChain('filter', 'FORWARD', 'ACCEPT');
  for (const text of texts) found.append('filter', 'FORWARD', text);
  return found;
}

const texts = (found: RuleSet) => found.rules('filter', 'FORWARD');
const [user, chain] = ['-j DOCKER-USER', '-j DOCKER-FORWARD'];
const ingress = '-j DOCKER-INGRESS';
const [top, end] = ['-i top -j ACCEPT', '-i end -j ACCEPT'];
const both = { add: [ours('top', 'top'), ours('end', 'end')], remove: [] };

t.test('on an empty host: the chains, the anchors in order, then ours', async (t) => {
  const found = forward();
  const changes = planRules(found, base, both);
  t.same(texts(found), [user, chain, top, end]);
  t.same(
    changes.map(({ op }) => op),
    ['create-chain', 'insert', 'insert', 'insert', 'append'],
  );
  t.same(planRules(found, base, both), [], 'and it stays so');
});

t.test('what others have put there keeps its place', async (t) => {
  for (const [before, after] of [
    [[ingress], [user, chain, top, ingress, end]],
    [
      [ingress, user, '-j X', chain, '-j Y'],
      [ingress, user, '-j X', chain, top, '-j Y', end],
    ],
    [
      [user, ingress, chain],
      [user, ingress, chain, top, end],
    ],
    [
      [user, ingress],
      [user, chain, top, ingress, end],
    ],
    [
      [ingress, chain],
      [user, ingress, chain, top, end],
    ],
  ] as const) {
    const found = forward(...before);
    planRules(found, base, both);
    t.same(texts(found), after, before.join(' | '));
  }
});

t.test('a anchor in the wrong place comes back above', async (t) => {
  for (const [before, after] of [
    // dockerd inserts its jumps anew: DOCKER-USER below DOCKER-FORWARD.
    [
      [chain, user],
      [user, chain, top, end],
    ],
    // Our rules above the jumps would accept what DOCKER-USER shall drop.
    [
      [top, user, chain, end],
      [user, chain, top, end],
    ],
    [
      [user, end, chain],
      [user, chain, top, end],
    ],
    [
      [ingress, chain, '-j X', user, top],
      [user, ingress, chain, '-j X', top, end],
    ],
  ] as const) {
    const found = forward(...before);
    planRules(found, base, both);
    t.same(texts(found), after, before.join(' | '));
  }
});

t.test('a plan removes the rules of a request and nothing else', async (t) => {
  const found = forward(user, chain, top, end);
  const rule = ours('top', 'top').rule;
  const changes = planRules(found, base, { add: [], remove: [rule, rule] });
  t.same(changes, [{ op: 'delete', rule }], 'once');
  t.same(planRules(found, base, { add: [], remove: [rule] }), [], 'absent is no error');
  const bare = new RuleSet();
  t.same(planRules(bare, base, { add: [], remove: [rule] }), []);
  t.equal(bare.hasChain('filter', 'DOCKER-USER'), false, 'and makes no chains');
});

t.test(
  'many go from the top of their chains to the bottom, as iptables looks for them',
  async (t) => {
    const inserted = Array.from({ length: 40 }, (_, number) => ours(`x${number}`, 'top').rule);
    const nat = place('end', 4, 'nat', 'DOCKER', {}, 'RETURN').rule;
    const found = forward(chain);
    found.addChain('nat', 'DOCKER');
    planRules(found, base, {
      add: [
        ...inserted.map((rule) => ({ rule, place: 'top' as const })),
        { rule: nat, place: 'end' },
      ],
      remove: [],
    });
    const gone = planRules(found, base, { add: [], remove: [...inserted, nat, ...inserted] });
    t.same(
      gone,
      [...inserted.reverse(), nat].map((rule) => ({ op: 'delete', rule })),
    );
    t.same(found.rules('nat', 'DOCKER'), []);
  },
);

t.test('a plan adds rules before it removes others', async (t) => {
  const found = forward(user, chain, top);
  const changes = planRules(found, base, {
    add: [ours('new', 'top')],
    remove: [ours('top', 'top').rule],
  });
  t.same(
    changes.map(({ op }) => op),
    ['create-chain', 'insert', 'delete'],
  );
  t.same(texts(found), [user, chain, '-i new -j ACCEPT']);
});

t.test('what another generation shared goes, as far as nobody else uses it', async (t) => {
  const jumpTo = (chain: DockerChain) =>
    place('anchor', 4, 'filter', 'FORWARD', {}, { jump: chain });
  const former: BaseRules = {
    chains: (['DOCKER-USER', 'DOCKER-CT', 'DOCKER-BRIDGE', 'DOCKER-INTERNAL'] as const).map(
      (chain) => ({ table: 'filter', chain }),
    ),
    rules: [
      jumpTo('DOCKER-USER'),
      jumpTo('DOCKER-CT'),
      jumpTo('DOCKER-BRIDGE'),
      place('end', 4, 'filter', 'DOCKER-CT', {}, 'RETURN'),
      place('end', 4, 'filter', 'DOCKER-BRIDGE', {}, 'RETURN'),
    ],
  };
  const found = forward('-j DOCKER-USER', '-j DOCKER-CT', '-j DOCKER-BRIDGE', ingress);
  for (const chain of ['DOCKER-USER', 'DOCKER-CT', 'DOCKER-BRIDGE']) {
    found.append('filter', chain, '-j RETURN');
  }
  found.append('filter', 'DOCKER-BRIDGE', '-i theirs -j ACCEPT');
  const edit = { add: [ours('top', 'top')], remove: [], dropBase: [former] };
  const changes = planRules(found, base, edit);
  t.same(texts(found), [user, chain, top, '-j DOCKER-BRIDGE', ingress]);
  t.same(found.rules('filter', 'DOCKER-USER'), ['-j RETURN'], "the administrator's");
  t.equal(found.hasChain('filter', 'DOCKER-CT'), false);
  t.same(found.rules('filter', 'DOCKER-BRIDGE'), ['-j RETURN', '-i theirs -j ACCEPT']);
  t.match(renderRestore(changes), /-D FORWARD -j DOCKER-CT\n(.*\n)*-X DOCKER-CT\n/);
  t.same(planRules(found, base, edit), [], 'once');
});

t.test('DOCKER-USER stays, and so does its jump, where the next generation has none', async (t) => {
  const found = forward(user, ingress);
  found.append('filter', 'DOCKER-USER', '-j RETURN');
  const former: BaseRules = {
    chains: [{ table: 'filter', chain: 'DOCKER-USER' }],
    rules: [jump('DOCKER-USER')],
  };
  const edit = { add: [], remove: [], dropBase: [former] };
  t.same(planRules(found, { chains: [], rules: [] }, edit), []);
  t.same(texts(found), [user, ingress]);
});

t.test('a jump that an engine has made beside ours is there once again', async (t) => {
  const found = forward(user, user, chain, top, chain);
  planRules(found, base, both);
  t.same(texts(found), [user, chain, top, end]);
  t.same(planRules(found, base, both), []);
});

t.test('also one that is no anchor; but the lines of DOCKER-USER are left alone', async (t) => {
  const shared: BaseRules = {
    ...base,
    rules: [...base.rules, place('end', 4, 'nat', 'OUTPUT', {}, { jump: 'DOCKER' })],
  };
  const found = forward();
  for (const _ of [1, 2]) {
    found.append('nat', 'OUTPUT', '-j DOCKER');
    found.append('filter', 'DOCKER-USER', '-j RETURN');
  }
  planRules(found, shared, both);
  t.same(found.rules('nat', 'OUTPUT'), ['-j DOCKER']);
  t.same(found.rules('filter', 'DOCKER-USER'), ['-j RETURN', '-j RETURN']);
});

t.test('a plan sets the policy of FORWARD only where it differs', async (t) => {
  const found = forward();
  const edit = { add: [], remove: [], dropForwarded: true } as const;
  const changes = planRules(found, base, edit);
  t.equal(renderRestore(changes), '*filter\n:FORWARD DROP [0:0]\nCOMMIT\n');
  t.same(planRules(found, base, edit), []);
  t.equal(found.policy('filter', 'FORWARD'), 'DROP');
});

t.test('of a anchor that is there twice the upper one stays', async (t) => {
  const theirs = '-i theirs -j ACCEPT';
  for (const [before, after] of [
    [
      [user, chain, theirs, chain],
      [user, chain, top, theirs, end],
    ],
    [
      [user, chain, theirs, user, chain, theirs],
      [user, chain, top, theirs, theirs, end],
    ],
    [
      [ingress, user, user, '-j X', chain, chain, chain],
      [ingress, user, '-j X', chain, top, end],
    ],
  ] as const) {
    const found = forward(...before);
    const onHost = forward(...before);
    onHost.apply(planRules(found, base, both));
    t.same(texts(found), after);
    t.same(texts(onHost), after, 'as the host carries it out');
  }
});

t.test(
  'a rule of ours that is there twice does not pass what others have put below it',
  async (t) => {
    const [accept, outward] = ['-j ACCEPT', '-m addrtype --dst-type LOCAL -j DOCKER'];
    const nat = place(
      'end',
      4,
      'nat',
      'PREROUTING',
      { localDestination: true },
      { jump: 'DOCKER' },
    );
    const shared: BaseRules = { ...base, rules: [...base.rules, nat] };
    const found = forward(user, chain, top, end, accept, user, chain, top, end, accept);
    for (const text of [outward, '-p tcp -j DNAT', outward])
      found.append('nat', 'PREROUTING', text);
    const onHost = found.copy();
    const lift = repeatedRules(found, both.add);
    onHost.apply(planRules(found, shared, { ...both, relocate: lift }));
    t.same(texts(found), [user, chain, top, end, accept, accept]);
    t.same(found.rules('nat', 'PREROUTING'), [outward, '-p tcp -j DNAT']);
    t.same(texts(onHost), texts(found), 'as the host carries it out');
  },
);
