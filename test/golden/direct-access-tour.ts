/** Who may reach a container's own address, in the generations that say so (28 and 29). */
import type { Test } from 'tap';
import type { Generation } from '../../src/core/generations/generation.js';
import { makeBinding, makeEndpoint, makeNetwork } from './golden.js';

export function directAccessTour(t: Test, generation: Generation): void {
  const settings = { userlandProxy: true };
  const network = (labels: Record<string, string> = {}, internal = false) =>
    makeNetwork(
      'br-x',
      '10.6.0.0/24',
      '10.6.0.1',
      Object.fromEntries(
        Object.entries(labels).map(([label, value]) => [
          `com.docker.network.bridge.${label}`,
          value,
        ]),
      ),
      { internal, ipv6: { subnet: 'fd00:6::/64', gateway: 'fd00:6::1/64' } },
    );
  const rulesOf = (spec: ReturnType<typeof network>) =>
    ([4, 6] as const).flatMap((family) =>
      generation
        .endpointRules(spec, makeEndpoint(spec, '10.6.0.2/24', 'fd00:6::2/64'), family)
        .map(({ rule, place }) => [rule.table, rule.chain, rule.text, place].join(' ')),
    );

  t.test('direct access', async (t) => {
    const drops = [
      'raw PREROUTING -d 10.6.0.2/32 ! -i br-x -j DROP end',
      'raw PREROUTING -d fd00:6::2/128 ! -i br-x -j DROP end',
    ];
    t.same(rulesOf(network()), drops);
    t.same(rulesOf(network({ trusted_host_interfaces: 'eth1:eth0' })), [
      'raw PREROUTING -d 10.6.0.2/32 -i eth1 -j ACCEPT end',
      'raw PREROUTING -d 10.6.0.2/32 -i eth0 -j ACCEPT end',
      drops[0],
      'raw PREROUTING -d fd00:6::2/128 -i eth1 -j ACCEPT end',
      'raw PREROUTING -d fd00:6::2/128 -i eth0 -j ACCEPT end',
      drops[1],
    ]);
    t.same(rulesOf(network({ trusted_host_interfaces: 'eth1' }, true)), [], 'internal');
    t.same(rulesOf({ ...network(), allowDirectRouting: true }), []);
    t.same(rulesOf(network({ gateway_mode_ipv4: 'routed' })), drops.slice(1), 'by family');
    t.same(rulesOf(network({ gateway_mode_ipv6: 'nat-unprotected' })), drops.slice(0, 1));
    const spec = network();
    const only4 = makeEndpoint(spec, '10.6.0.2/24');
    t.same(generation.endpointRules(spec, only4, 6), [], 'an endpoint without IPv6');
  });

  t.test('an internal network publishes nothing', async (t) => {
    const binding = makeBinding('127.0.0.1:80', '10.6.0.2:80');
    t.same(generation.portRules(network({}, true), binding, settings), []);
  });

  t.test('a routed network opens the port and translates nothing', async (t) => {
    const binding = makeBinding('127.0.0.1:80', '10.6.0.2:80');
    const rules = generation.portRules(network({ gateway_mode_ipv4: 'routed' }), binding, settings);
    t.same(
      rules.map(({ rule, place }) => [rule.table, rule.text, place].join(' ')),
      ['filter -d 10.6.0.2/32 ! -i br-x -o br-x -p tcp -m tcp --dport 80 -j ACCEPT top'],
    );
  });
}
