/** Limits of traffic as Prometheus is given them. */
import t from 'tap';
import { endpointLimited } from '../../../src/driver/state/transitions.js';
import { Collectors } from '../../../src/operator/metrics/collectors.js';
import { Registry } from '../../../src/operator/metrics/library.js';
import { addEndpoints } from '../../../src/operator/metrics/per-object.js';
import { filledRegistry } from '../../fakes/filled-registry.js';

t.test('limits of endpoints that have some, in bytes as the counters', async (t) => {
  const registry = filledRegistry(3, 0);
  const [first, second] = registry.endpoints();
  if (first === undefined || second === undefined) throw new Error('no endpoints');
  endpointLimited(first, { down: { rate: 8_000_000 } });
  endpointLimited(second, { down: { rate: 'none' }, up: { rate: 64_000 } });
  const metrics = new Registry();
  const links = async () => new Map();
  addEndpoints(new Collectors(metrics), { registry, names: () => undefined, links });
  const lines = (await metrics.metrics()).split('\n');
  t.strictSame(
    lines
      .filter((line) => line.includes('limit_bytes_per_second{'))
      .map((line) => line.replace(/network="\w+",container=""/, '')),
    [
      'tsbridge_endpoint_receive_limit_bytes_per_second{,interface="veth0"} 1000000',
      'tsbridge_endpoint_transmit_limit_bytes_per_second{,interface="veth1"} 8000',
    ],
  );
});
