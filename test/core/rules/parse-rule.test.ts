import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import type { Family } from '../../../src/core/address.js';
import { generations } from '../../../src/core/generations/all.js';
import { parseRule } from '../../../src/core/rules/parse-rule.js';
import { networksWithPorts, ruleOf } from '../../fakes/arbitrary.js';
import { RuleHost } from '../../fakes/rule-host.js';
import { makeEndpoint } from '../../golden/golden.js';

t.test('every rule of every generation is read as what it was made of', async () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.values(generations)),
      fc.constantFrom<Family>(4, 6),
      fc.boolean(),
      networksWithPorts,
      (generation, family, userlandProxy, networks) => {
        const host = new RuleHost(generation, family, { userlandProxy });
        for (const { network, ports } of networks) {
          const wanted = [
            ...host.rulesOf(network),
            ...host.endpointRules(network, makeEndpoint(network, '10.1.0.2/24')),
            ...host.portRules(network, ports),
            ...generation.baseRules(family, { userlandProxy }).rules,
          ];
          for (const { rule } of wanted) {
            if (rule.target === 'CHECKSUM') continue;
            assert.deepEqual(parseRule(rule.family, rule.table, rule.chain, rule.text), rule);
          }
          host.addNetwork(network);
        }
      },
    ),
    { numRuns: 100 },
  );
});

t.test('any rule that can be made is read again', async () => {
  fc.assert(
    fc.property(
      fc.constantFrom<Family>(4, 6).chain((family) => ruleOf(family)),
      (rule) => {
        assert.deepEqual(parseRule(rule.family, rule.table, rule.chain, rule.text), rule);
      },
    ),
    { numRuns: 500 },
  );
});

t.test('what is not in our words, or for the other family, is no rule', async (t) => {
  for (const text of [
    '',
    '-p tcp --dport 80',
    '-i br-0 -m comment --comment "x -j ACCEPT" -j DROP',
    '-i br-0 -m comment --comment x -j ACCEPT',
    '-i br-0 -j LOG',
    '-i br-0 -j ACCEPT\n-F',
    '-i br-0  -j ACCEPT',
    '-i br/0 -j ACCEPT',
    '! -p tcp -j ACCEPT',
    '-p tcp -m tcp --dport 0 -j ACCEPT',
    '-p tcp -m tcp --dport 1:2:3 -j ACCEPT',
    '-p tcp -m tcp --dport 1:x -j ACCEPT',
    '-p gre -j ACCEPT',
    '-m mark --mark x -j ACCEPT',
    '-m conntrack --ctstate NEW -j ACCEPT',
    '-d 10.0.0.300/32 -j ACCEPT',
    '-p tcp -j DNAT --to-destination 10.0.0.1:x',
    '-p tcp -j DNAT --to-destination nowhere:80',
    '-j SNAT --to-source nowhere',
    '-j SNAT --to-source fd00::1',
    '-d fd00::1/128 -j ACCEPT',
    '! -s fd00::/64 -j ACCEPT',
  ]) {
    t.equal(parseRule(4, 'filter', 'DOCKER', text), undefined, text);
  }
  t.ok(parseRule(6, 'filter', 'DOCKER', '! -s fd00::/64 -j ACCEPT'));
  t.match(parseRule(4, 'nat', 'DOCKER', '-m mark --mark 0x1 -j SNAT --to-source 10.0.0.1'), {
    target: { snat: '10.0.0.1' },
  });
});
