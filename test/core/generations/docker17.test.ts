import t from 'tap';
import { docker17 } from '../../../src/core/generations/docker17.js';
import { RuleHost } from '../../fakes/rule-host.js';
import { listing, makeNetwork } from '../../golden/golden.js';
import { goldenTour } from '../../golden/golden-tour.js';

goldenTour(t, { title: '17.03', generation: docker17 });

t.test('every two external networks have a pair of drops', async (t) => {
  const settings = { userlandProxy: true };
  const network = (index: number, internal = false) =>
    makeNetwork(`br-${index}`, `10.${index}.0.0/24`, `10.${index}.0.1`, {}, { internal });
  const networks = [network(1), network(2), network(3, true), network(4)];
  const host = new RuleHost(docker17, 4, settings);
  for (const one of networks) host.addNetwork(one);
  const drops = () =>
    (listing(host.found)['filter DOCKER-ISOLATION'] ?? []).filter((text) => /-i .* -o/.test(text));
  t.same(drops(), [
    '-i br-2 -o br-4 -j DROP',
    '-i br-4 -o br-2 -j DROP',
    '-i br-1 -o br-4 -j DROP',
    '-i br-4 -o br-1 -j DROP',
    '-i br-1 -o br-2 -j DROP',
    '-i br-2 -o br-1 -j DROP',
  ]);
  host.removeNetwork(networks[1] ?? network(2));
  t.same(drops(), ['-i br-1 -o br-4 -j DROP', '-i br-4 -o br-1 -j DROP']);
});

t.test('docker17 masquerades also where host_ipv4 is set, which came later', async (t) => {
  const network = makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', {
    'com.docker.network.host_ipv4': '10.99.0.1',
  });
  const rules = docker17.networkRules(network, 4, {
    userlandProxy: false,
  });
  t.same(
    rules.map(({ rule }) => rule.text).filter((text) => text.includes('SNAT')),
    [],
  );
});
