import t from 'tap';
import { generations } from '../../../../src/core/generations/all.js';
import { acceptGroups } from '../../../../src/core/generations/own-options/accept-from.js';
import { passageGroups } from '../../../../src/core/generations/own-options/passage-chains.js';
import { joinBindings } from '../../../../src/core/ports/runs.js';
import { isOwnChain, isOwnTable } from '../../../../src/core/rules/chains/own-chains.js';
import type { PlacedRule } from '../../../../src/core/rules/rule.js';
import { makeBinding, makeEndpoint, makeNetwork } from '../../../golden/golden.js';

const ipv6 = { subnet: 'fd00:6::/64', gateway: 'fd00:6::1/64' };
const network = makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', {}, { ipv6 });
const endpoint = makeEndpoint(network, '10.6.0.2/24', 'fd00:6::2/64');
const bindings = (['tcp', 'udp', 'sctp'] as const).flatMap((protocol) => [
  makeBinding('127.0.0.1:8080', '10.6.0.2:80', protocol),
  makeBinding('[::]:8080', '[fd00:6::2]:80', protocol),
]);

t.test('every rule of every generation is in a chain whose changes are looked at', async (t) => {
  const chains = new Set<string>();
  for (const generation of Object.values(generations)) {
    for (const userlandProxy of [true, false]) {
      for (const spec of [network, { ...network, internal: true }, { ...network, icc: false }]) {
        const settings = { userlandProxy };
        const rules: PlacedRule[] = [];
        for (const family of [4, 6] as const) {
          rules.push(...generation.baseRules(family, settings).rules);
          rules.push(...generation.networkRules(spec, family, settings));
          rules.push(...generation.endpointRules(spec, endpoint, family));
          const other = { bridge: network.bridge, internal: false };
          rules.push(...(generation.pairRules?.(spec, other, family) ?? []));
          rules.push(...(generation.apartRules?.(spec.bridge, family) ?? []));
        }
        for (const run of joinBindings(bindings, spec.portRules)) {
          rules.push(...generation.portRules(spec, run, settings));
        }
        for (const { rule } of rules) chains.add(`${rule.table} ${rule.chain}`);
      }
    }
  }
  for (const group of [...acceptGroups(4), ...passageGroups(4)]) {
    for (const { rule } of group.rules) chains.add(`${rule.table} ${rule.chain}`);
    for (const { table, chain } of group.chains) chains.add(`${table} ${chain}`);
  }
  for (const built of ['raw PREROUTING', 'mangle POSTROUTING', 'nat OUTPUT', 'filter FORWARD']) {
    t.ok(chains.has(built), built);
  }
  for (const name of chains) {
    const [table = '', chain = ''] = name.split(' ');
    t.ok(isOwnTable(table) && isOwnChain(table, chain), name);
  }
  t.notOk(isOwnChain('filter', 'INPUT'));
  t.notOk(isOwnChain('mine', 'DOCKER'));
});
