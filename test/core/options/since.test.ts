import t from 'tap';
import type { GenerationName } from '../../../src/core/generations/generation.js';
import { parseNetwork } from '../../../src/core/options/network-options.js';
import { networkInput } from '../../fakes/inputs.js';

const docker = (name: string) => `com.docker.network.${name}`;

function problemOf(
  labels: Record<string, string>,
  generation: GenerationName | undefined,
  options: Record<string, unknown> = {},
): string | undefined {
  const input = networkInput({
    labels,
    options,
    ...(options[docker('enable_ipv4')] === false
      ? { ipv4: [], ipv6: [{ pool: 'fd00:5::/64', gateway: 'fd00:5::1/64' }] }
      : {}),
  });
  try {
    parseNetwork(input, {}, generation);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The engine has it earlier than our rules do. */
const ofTsbridge = '27 (with tsbridge: with the rules of 28 and later)';

t.test('an option that came later names its version', async (t) => {
  for (const [label, value, lacking, version, having] of [
    ['container_iface_prefix', 'lan', 'docker17', '17.06', 'docker20'],
    ['host_ipv4', '192.0.2.9', 'docker17', '20.10', 'docker20'],
    ['bridge.inhibit_ipv4', 'true', 'docker17', '20.10', 'docker20'],
    ['host_ipv6', '2001:db8::9', 'docker17', '25', 'docker20'],
    ['bridge.gateway_mode_ipv4', 'routed', 'docker20', ofTsbridge, 'docker28'],
    ['bridge.gateway_mode_ipv6', 'routed', 'docker20', ofTsbridge, 'docker28'],
    ['bridge.gateway_mode_ipv6', 'nat-unprotected', 'docker20', '28', 'docker28'],
    ['bridge.trusted_host_interfaces', 'eth1', 'docker20', '28.2', 'docker29'],
  ] as const) {
    const text = problemOf({ [docker(label)]: value }, lacking);
    t.match(text, `${docker(label)}=${value} is there since Docker ${version}; this host has`);
    t.equal(problemOf({ [docker(label)]: value }, having), undefined, label);
    t.equal(problemOf({ [docker(label)]: value }, undefined), undefined, `${label}, of a record`);
  }
});

t.test('values that every engine understands are no newer options', async (t) => {
  for (const labels of [
    { [docker('bridge.gateway_mode_ipv4')]: 'nat' },
    { [docker('bridge.trusted_host_interfaces')]: '' },
  ]) {
    t.equal(problemOf(labels, 'docker17'), undefined);
  }
});

t.test('a network without IPv4 is refused where the engine has none', async (t) => {
  const options = { [docker('enable_ipv4')]: false, [docker('enable_ipv6')]: true };
  t.match(problemOf({}, 'docker20', options), 'a network without IPv4');
  t.equal(problemOf({}, 'docker28', options), undefined);
});

t.test('options that the engine lacks are reported with the other problems', async (t) => {
  const labels = { [docker('bridge.enable_icc')]: 'maybe', [docker('host_ipv4')]: '192.0.2.9' };
  t.match(problemOf(labels, 'docker17'), /^creating network \w+: 2 problems: .*maybe.*17\.03/);
});
