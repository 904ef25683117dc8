import t from 'tap';
import { renderRestore } from '../../../../src/codec/iptables/iptables-restore.js';
import { generations } from '../../../../src/core/generations/all.js';
import {
  describeMissing,
  editWithoutTables,
  optionalTables,
  withoutTables,
} from '../../../../src/core/rules/chains/missing-tables.js';
import type { Table } from '../../../../src/core/rules/rule.js';
import { RuleSet } from '../../../../src/core/rules/rule-set.js';
import { makeBinding, makeEndpoint, makeNetwork } from '../../../golden/golden.js';
import { planRules } from '../../../golden/plan-rules.js';

const settings = { userlandProxy: false };
const ipv6 = { subnet: 'fd00:6::/64', gateway: 'fd00:6::1/64' };
const network = makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', {}, { ipv6 });
const endpoint = makeEndpoint(network, '10.6.0.2/24', 'fd00:6::2/64');
const bindings = [
  makeBinding('127.0.0.1:8085', '10.6.0.2:80'),
  makeBinding('[::]:9899', '[fd00:6::2]:99', 'sctp'),
];

t.test('nothing is written to a table that is missing, and all of the rest is', async (t) => {
  for (const generation of Object.values(generations)) {
    for (const family of [4, 6] as const) {
      const base = generation.baseRules(family, settings);
      const add = [
        ...generation.networkRules(network, family, settings),
        ...generation.endpointRules(network, endpoint, family),
        ...bindings.flatMap((binding) => generation.portRules(network, binding, settings)),
      ].filter(({ rule }) => rule.family === family);
      const relocate = add.map(({ rule }) => rule);
      const edit = { add, remove: relocate, relocate, dropBase: [base] };
      for (const table of optionalTables(family)) {
        const missing = new Set<Table>([table]);
        const kept = editWithoutTables(missing, edit);
        const changes = planRules(new RuleSet(), withoutTables(missing, base), {
          ...kept,
          remove: [],
        });
        t.notMatch(renderRestore(changes), `*${table}\n`, `${generation.name} ${family} ${table}`);
        const others = add.filter(({ rule }) => rule.table !== table);
        t.same(kept.add, others);
        t.same(
          kept.remove,
          others.map(({ rule }) => rule),
        );
        t.same(kept.relocate, kept.remove);
        t.same(kept.dropBase, [withoutTables(missing, base)]);
      }
      t.equal(editWithoutTables(new Set(), edit), edit);
      t.equal(withoutTables(new Set(), base), base);
      t.same(editWithoutTables(new Set(['raw']), { add: [], remove: [] }), {
        ...{ add: [], remove: [], relocate: [], dropBase: [] },
      });
    }
  }
});

t.test('the tables that a kernel may lack are known and described', async (t) => {
  t.same(optionalTables(4), ['raw', 'mangle']);
  t.same(optionalTables(6), ['raw', 'mangle', 'nat']);
  t.match(describeMissing(4, 'raw'), /^this kernel has no table raw for IPv4: other hosts/);
  t.equal(describeMissing(6, 'filter'), 'this kernel has no table filter for IPv6');
});
