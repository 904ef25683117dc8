import t from 'tap';
import { parseSave } from '../../../src/codec/iptables/iptables-save.js';
import { generations, ipv6Ways } from '../../../src/core/generations/all.js';
import { forwardedBridges } from '../../../src/core/generations/forwarded-bridges.js';
import { generationNames, seenGenerations } from '../../../src/core/generations/generation.js';
import { RuleSet } from '../../../src/core/rules/rule-set.js';
import { groupOf, RuleHost } from '../../fakes/rule-host.js';
import { goldenSections, makeBinding, makeEndpoint, makeNetwork } from '../../golden/golden.js';

const settings = { userlandProxy: true };
const ipv6 = { subnet: 'fd00:6::/64', gateway: 'fd00:6::1/64' };
const dual = makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', {}, { ipv6 });

t.test('every name of a generation has its module', async (t) => {
  t.same(Object.keys(generations), generationNames);
  t.same(Object.keys(ipv6Ways), generationNames);
  for (const name of generationNames) t.equal(generations[name].name, name);
});

t.test('the generation of an engine is known by its jumps', async (t) => {
  const expected: Readonly<Record<string, string>> = {
    17: 'docker17',
    20: 'docker20',
    26: 'docker20',
    28: 'docker28',
    29: 'docker29',
  };
  for (const [name, text] of goldenSections()) {
    // Until 27 an engine makes the IPv6 jumps with the first network that has IPv6.
    const without = /^2[06].*IPv6: startup/.test(name);
    const found = seenGenerations(parseSave(text));
    t.same(found, without ? [] : [expected[name.slice(0, 2)]], name);
  }
  t.same(seenGenerations(new RuleSet()), []);
});

t.test('each recognises what it writes itself, and what stands beside it', async (t) => {
  const all = new RuleSet();
  for (const generation of Object.values(generations)) {
    const alone = new RuleHost(generation, 4, settings);
    alone.addNetwork(dual);
    t.same(seenGenerations(alone.found), [generation.name]);
    new RuleHost(generation, 4, settings, all).addNetwork(dual);
  }
  t.same(seenGenerations(all), generationNames, 'oldest first');
});

t.test('which generations write rules with ip6tables', async (t) => {
  const endpoint = makeEndpoint(dual, '10.6.0.2/24', 'fd00:6::2/64');
  const other = makeNetwork('br-y', '10.7.0.0/24', '10.7.0.1');
  const binding = makeBinding('[::]:80', '[fd00:6::2]:80');
  for (const generation of Object.values(generations)) {
    const rules = [
      ...generation.baseRules(6, settings).rules,
      ...generation.networkRules(dual, 6, settings),
      ...generation.endpointRules(dual, endpoint, 6),
      ...generation.portRules(dual, binding, settings),
      ...(generation.pairRules?.(dual, other, 6) ?? []),
    ];
    t.equal(rules.length > 0, ipv6Ways[generation.name].rules, generation.name);
    t.equal(
      rules.every(({ rule }) => rule.family === 6),
      true,
    );
  }
});

t.test('docker20 alone isolates a network in a family that it does not have', async (t) => {
  const only4 = makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1');
  const internal = makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', {}, { internal: true });
  const texts = (name: keyof typeof generations, network = only4) =>
    generations[name].networkRules(network, 6, settings).map(({ rule }) => rule.text);
  t.same(texts('docker20'), ['-i br-x ! -o br-x -j DOCKER-ISOLATION-STAGE-2', '-o br-x -j DROP']);
  t.same(texts('docker20', internal), []);
  t.same(texts('docker28'), []);
  t.same(texts('docker29'), []);
  for (const { portRules } of Object.values(generations)) {
    t.same(portRules(only4, makeBinding('[::]:80', '10.6.0.2:80'), settings), [], 'by proxy only');
  }
});

t.test("only docker28 and docker29 order an endpoint's ports", async (t) => {
  const groups = [
    groupOf(makeBinding('0.0.0.0:81', '10.6.0.2:81')),
    groupOf(makeBinding('0.0.0.0:80', '10.6.0.2:80')),
  ];
  for (const generation of Object.values(generations)) {
    const ordered = generation.orderBindings(groups);
    const expected = /2[89]$/.test(generation.name) ? groups.toReversed() : groups;
    t.same(ordered, expected, generation.name);
    t.not(ordered, groups, 'a list of its own');
  }
});

t.test('bridges of other drivers are found in the rules of FORWARD', async (t) => {
  const save = goldenSections().get(
    '17.03 (replayed) proxy=on IPv4: docker0 + br-x 10.6.0.0/24 variant icc-false, container -p 8085:80',
  );
  t.same(forwardedBridges(parseSave(save ?? '')), ['br-x', 'docker0']);
  t.same(forwardedBridges(new RuleSet()), []);
  t.same(
    forwardedBridges(parseSave('*filter\n-A FORWARD -o ../x -j DOCKER\n-A FORWARD -j DOCKER\n')),
    [],
  );
});
