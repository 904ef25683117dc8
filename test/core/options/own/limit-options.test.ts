import t from 'tap';
import { parseEndpoint } from '../../../../src/core/options/endpoint-options.js';
import { parseNetwork } from '../../../../src/core/options/network-options.js';
import { endpointInput, messageFrom, networkInput, networkSpec } from '../../../fakes/inputs.js';

const endpoint = (options: Record<string, unknown>, labels: Record<string, string> = {}) =>
  parseEndpoint(endpointInput({ options }), networkSpec({ labels }));

t.test('limits of a network and of an endpoint', async (t) => {
  const labels = { 'tsbridge.rate_down': '10mbit', 'tsbridge.burst_down': '64k' };
  t.strictSame(networkSpec({ labels }).limits, { down: { rate: 10_000_000, burst: 65_536 } });
  t.notOk('limits' in networkSpec());
  const { spec, warnings } = endpoint(
    { 'tsbridge.rate_up': '2mbit', 'tsbridge.rate_down': 'none', 'tsbridge.rat_up': '1mbit' },
    labels,
  );
  t.strictSame(spec.limits, { down: { rate: 'none' }, up: { rate: 2_000_000 } });
  t.strictSame(warnings, ['endpoint option tsbridge.rat_up is not known and has no effect']);
  t.notOk('limits' in endpoint({}, labels).spec, 'the network has them');
  t.strictSame(endpoint({ 'tsbridge.burst_down': '1m' }, labels).spec.limits, {
    down: { burst: 1_048_576 },
  });
});

t.test('everything that is wrong is said at once, with what to do', async (t) => {
  const labels = {
    'tsbridge.rate_down': '10',
    'tsbridge.burst_down': '1k',
    'tsbridge.burst_up': '64k',
    'com.docker.network.driver.mtu': '65535',
  };
  t.equal(
    messageFrom(() => parseNetwork(networkInput({ labels }))),
    'creating network a941c14b8f93: 4 problems: ' +
      '(1) failed to parse tsbridge.rate_down value: 10 (not a rate: use none, or a number with its ' +
      'unit: bit, kbit, mbit or gbit per second, from 64kbit to 400gbit); ' +
      '(2) failed to parse tsbridge.burst_down value: 1k (not a size: use a number of bytes, or of KiB ' +
      'or MiB with k or m after it, from 2k to 64m); ' +
      '(3) tsbridge.burst_up=64k needs a rate: give tsbridge.rate_up, or leave it out; ' +
      '(4) tsbridge.burst_up=64k is less than a frame: with an MTU of 65535 use at least 65549, or leave it out',
  );
  t.match(
    messageFrom(() => endpoint({ 'tsbridge.rate_up': '64kbit', 'tsbridge.burst_up': '1m' })),
    /: tsbridge.burst_up=1m is more than a minute of 64kbit: use at most 480000$/,
  );
  t.equal(
    messageFrom(() => endpoint({ 'tsbridge.rate_up': 'none', 'tsbridge.burst_up': '64k' })),
    'creating endpoint 875199fe3bac on network a941c14b8f93: ' +
      'tsbridge.burst_up=64k needs a rate: give tsbridge.rate_up, or leave it out',
  );
});

t.test('isolation of ports, of a network and of an endpoint', async (t) => {
  const labels = { 'tsbridge.port_isolation': 'true' };
  t.equal(networkSpec({ labels }).portIsolation, true);
  t.notOk('portIsolation' in networkSpec({ labels: { 'tsbridge.port_isolation': 'false' } }));
  t.equal(endpoint({ 'tsbridge.port_isolation': 'false' }, labels).spec.portIsolation, false);
  t.notOk('portIsolation' in endpoint({}, labels).spec);
  t.match(
    messageFrom(() => endpoint({ 'tsbridge.port_isolation': 'on' })),
    /failed to parse tsbridge.port_isolation value: on \(not a boolean: use true or false\)/,
  );
});
