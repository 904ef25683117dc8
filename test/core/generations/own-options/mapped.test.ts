/** The rules of a network with `tsbridge.port_rules=map`: Docker's, one more for all ports, and none for each. */
import t from 'tap';
import { generations } from '../../../../src/core/generations/all.js';
import { generationFor } from '../../../../src/core/generations/own-options/lan.js';
import { makeBinding, makeNetwork } from '../../../golden/golden.js';

const options = { 'tsbridge.port_rules': 'map' };
const network = makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', options);
const settings = { userlandProxy: true };
const accept = 'top filter DOCKER ! -i br-x -o br-x -m conntrack --ctstate DNAT -j ACCEPT';
const lines = (rules: ReturnType<(typeof generations)['docker20']['networkRules']>) =>
  rules.map(({ place, rule }) => `${place} ${rule.table} ${rule.chain} ${rule.text}`);

for (const generation of Object.values(generations)) {
  t.test(generation.name, (t) => {
    const mapped = generationFor(generation, network);
    t.equal(generationFor(generation, network), mapped, 'always the same object');
    t.equal(generationFor(generation, { portRules: 'docker' }), generation);
    const own = lines(generation.networkRules(network, 4, settings));
    t.strictSame(lines(mapped.networkRules(network, 4, settings)), [...own, accept]);
    t.strictSame(
      lines(mapped.networkRules(network, 6, settings)),
      lines(generation.networkRules(network, 6, settings)),
      'nothing more in a family that the network has not',
    );
    t.strictSame(
      lines(mapped.networkRules({ ...network, internal: true }, 4, settings)),
      lines(generation.networkRules({ ...network, internal: true }, 4, settings)),
    );
    const portRules = (host: string, container: string, protocol: 'tcp' | 'sctp') =>
      lines(mapped.portRules(network, makeBinding(host, container, protocol), settings));
    t.strictSame(portRules('0.0.0.0:8080', '10.6.0.2:80', 'tcp'), []);
    t.strictSame(portRules('[::]:8080', '10.6.0.2:80', 'tcp'), []);
    // nf_tables has no such target.
    const checksum =
      'end mangle POSTROUTING -p sctp -m sctp --sport 80 -j CHECKSUM --checksum-fill';
    const isOld = ['docker20'].includes(generation.name);
    t.strictSame(portRules('0.0.0.0:8080', '10.6.0.2:80', 'sctp'), isOld ? [checksum] : []);
    t.end();
  });
}

t.test('a port in mode `routed` has the rule that it always has', (t) => {
  const mode = { 'com.docker.network.bridge.gateway_mode_ipv4': 'routed' };
  const routed = makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', { ...options, ...mode });
  const { docker28 } = generations;
  const mapped = generationFor(docker28, routed);
  const binding = makeBinding('0.0.0.0:8080', '10.6.0.2:80');
  t.strictSame(
    lines(mapped.portRules(routed, binding, settings)),
    lines(docker28.portRules(routed, binding, settings)),
  );
  t.notOk(lines(mapped.networkRules(routed, 4, settings)).includes(accept));
  t.end();
});
