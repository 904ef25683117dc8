/** Records on disk: who asked for what, and those that the first version wrote. */
import t from 'tap';
import {
  decodeEndpoint,
  decodeNetwork,
  encodeEndpoint,
} from '../../../src/driver/state/records.js';
import { frontEnd } from '../../fakes/called-driver.js';
import { Engine } from '../../fakes/engine-calls.js';
import { makeHost, stateOf } from '../../fakes/fake-host.js';

const networkId = 'a941c14b8f93'.padEnd(64, '0');
const endpointId = '875199fe3bac'.padEnd(64, '1');
/** As the first version wrote them: without a front end, without the engine's process. */
const oldNetwork = {
  phase: 'ready',
  sequence: 1,
  bridgeMade: true,
  terms: {
    ...{ generation: 'docker20', userlandProxy: true, loopbackSpared: true },
    ...{ masquerade: true, allowDirectRouting: false },
  },
  input: {
    networkId,
    options: { 'com.docker.network.generic': {} },
    ipv4Data: [{ addressSpace: 'LocalDefault', pool: '10.5.0.0/24', gateway: '10.5.0.1/24' }],
    ipv6Data: [],
  },
};
const oldEndpoint = {
  phase: 'ready',
  sequence: 2,
  input: {
    ...{ networkId, endpointId, address: '10.5.0.2/24', addressIpv6: '', mac: '' },
    options: { 'com.docker.network.generic': { a: 1 } },
  },
  nameAttempt: 0,
  sandboxKey: '/var/run/docker/netns/1',
  bindings: [['tcp', '0.0.0.0', 8080, '10.5.0.2', 80]],
  opened: [],
  exposed: [['tcp', 80]],
};

t.test('records of the first version are read, and written with what is new', async (t) => {
  const network = decodeNetwork(oldNetwork);
  t.match(network, { phase: 'ready', frontEnd: 'libnetwork', input: oldNetwork.input });
  const endpoint = decodeEndpoint(oldEndpoint);
  t.match(endpoint, {
    ...{ networkId, endpointId, frontEnd: 'libnetwork', input: oldEndpoint.input },
    ...{ engine: undefined, yielded: [], exposed: [{ protocol: 'tcp', port: 80 }] },
  });
  t.strictSame(decodeEndpoint(JSON.parse(JSON.stringify(encodeEndpoint(endpoint)))), endpoint);
});

t.test('what the first version called creating may have been told to the engine', async (t) => {
  t.equal(decodeEndpoint({ ...oldEndpoint, phase: 'creating' }).phase, 'created');
  const now = { ...oldEndpoint, phase: 'creating', frontEnd: 'libnetwork', networkId, endpointId };
  t.equal(decodeEndpoint(now).phase, 'creating', 'now it was not');
});

t.test('a host of the first version goes on', async (t) => {
  const host = makeHost();
  const put = (kind: 'network' | 'endpoint', id: string, value: unknown) =>
    host.store.records.set(`${kind} ${id}`, { kind, id, text: JSON.stringify(value) });
  put('network', networkId, oldNetwork);
  put('endpoint', endpointId, oldEndpoint);
  host.sandboxes.alive.add('/var/run/docker/netns/1');
  const engine = new Engine(host);
  await engine.start();
  t.same(stateOf(host).ports, ['0.0.0.0:8080/tcp']);
  t.same(engine.world.registry.unreadable.all(), []);
  t.match(stateOf(host).links, [`br-${networkId.slice(0, 12)}`]);
});

t.test('a record of a front end that this version lacks is left alone', async (t) => {
  const host = makeHost();
  const engine = new Engine(host);
  await engine.start();
  await engine.driver.createNetwork(engine.network(5));
  const [record] = host.store.records.values();
  if (record === undefined) throw new Error('no record');
  t.match(JSON.parse(record.text), { frontEnd: frontEnd().name });
  record.text = JSON.stringify({ ...JSON.parse(record.text), frontEnd: 'newer' });
  const before = stateOf(host);
  await engine.start();
  t.match(engine.world.registry.unreadable.all(), [{ reason: /its front end newer is not known/ }]);
  t.strictSame(stateOf(host), before);
});
