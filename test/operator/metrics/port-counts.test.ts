import t from 'tap';
import { portRuleKinds } from '../../../src/core/network/network.js';
import { countPorts } from '../../../src/operator/metrics/port-counts.js';
import { makeBinding } from '../../golden/golden.js';

t.test('ports are counted by what leads to the container', async (t) => {
  const bindings = [
    makeBinding('0.0.0.0:8080', '172.18.0.2:80'),
    makeBinding('127.0.0.1:8081', '172.18.0.2:80'),
    makeBinding('[::]:8080', '172.18.0.2:80'),
  ];
  const endpoints = portRuleKinds.map((portRules) => ({
    record: { bindings, added: [] },
    network: { spec: { portRules } },
  }));
  const operated = {
    record: { bindings: [], added: [{ bindings }] },
    network: { spec: { portRules: 'map' } },
  };
  const counted = await countPorts([...endpoints, operated as never]);
  const found = counted.map(([{ protocol, family, path, by }, count]) =>
    [protocol, family, path, by, count].join(' '),
  );
  t.same(found.toSorted(), [
    'tcp 4 map docker 1',
    'tcp 4 map operator 1',
    'tcp 4 proxy docker 4',
    'tcp 4 proxy operator 1',
    'tcp 4 range docker 2',
    'tcp 4 rule docker 1',
    'tcp 6 proxy docker 4',
    'tcp 6 proxy operator 1',
  ]);
});
