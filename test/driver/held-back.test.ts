/** Guarded ports after a start that cannot write their guards: shut, until a repair has written them. */
import t from 'tap';
import { recover } from '../../src/driver/recover.js';
import { PortConcern } from '../../src/driver/repair/concerns/ports.js';
import { RuleConcern } from '../../src/driver/repair/concerns/rules.js';
import { everything } from '../../src/driver/repair/signs.js';
import { heldBackPorts } from '../../src/driver/usecases/ports/held-back.js';
import { CalledDriver } from '../fakes/called-driver.js';
import { type FakeHost, makeHost } from '../fakes/fake-host.js';
import { endpoint, id, ids, network, networkId, publish, start } from '../fakes/one-container.js';

const generic = 'com.docker.network.generic';
const guarded = { 'tsbridge.publish_from': '192.0.2.0/24' };
const other = id('c');
const open = (host: FakeHost) => [...host.hostPorts.held.keys()].sort();
const ports = ['0.0.0.0:8080/tcp', '0.0.0.0:9090/tcp', '127.0.0.1:8081/tcp'];

/** A guarded container with a port everywhere and one on a loopback address; one without guards. */
async function published() {
  const host = makeHost();
  const { driver } = await start(host, 'docker28');
  await driver.createNetwork(network(5, networkId, { [generic]: guarded }));
  await driver.createNetwork(network(6, other));
  await driver.createEndpoint(endpoint());
  await driver.createEndpoint({
    ...endpoint(2, id('d')),
    ...{ networkId: other, address: '10.6.0.2/24' },
  });
  await driver.join(ids(), '/ns');
  await driver.join(ids(other, id('d')), '/ns2');
  const first = publish([6, 80, 8080, 8080, '0.0.0.0'], [6, 80, 8081, 8081, '127.0.0.1']);
  await driver.publishPorts(ids(), first);
  await driver.publishPorts(ids(other, id('d')), publish([6, 80, 9090, 9090, '0.0.0.0']));
  t.strictSame(open(host), ports);
  return host;
}

/** The kernel refuses so many changes of rules; one repair asks up to four times. */
const refuse = (host: FakeHost, times: number) =>
  host.firewall.failures.push(...Array(times).fill('the kernel refuses'));

t.test('a start that is refused once tries again, and opens everything', async (t) => {
  const host = await published();
  host.firewall.flushRuleset();
  refuse(host, 4);
  await start(host, 'docker28');
  t.strictSame(open(host), ports);
  t.ok(host.logged.some(({ message }) => message === 'writing the rules failed; again'));
});

t.test('guarded ports stay shut until their guards are there', async (t) => {
  const host = await published();
  host.firewall.flushRuleset();
  refuse(host, 1_000);
  const { world } = host.boot({}, 'docker28');
  await recover(world);
  t.strictSame(open(host), ['0.0.0.0:9090/tcp', '127.0.0.1:8081/tcp'], 'those without guards');
  const told = heldBackPorts(world);
  t.match(told, [/^published port 0\.0\.0\.0:8080\/tcp of endpoint .* is kept closed: tsbridge/]);
  t.ok(host.logged.some(({ message }) => message === told[0]));
  const concern = new RuleConcern(world);
  await t.rejects(concern.repair('quiet', everything));
  await new PortConcern(world).repair('quiet');
  t.strictSame(
    open(host),
    ['0.0.0.0:9090/tcp', '127.0.0.1:8081/tcp'],
    'nor by a repair of sockets',
  );
  host.firewall.failures.length = 0;
  await concern.repair('start', everything);
  t.strictSame(
    open(host),
    ['0.0.0.0:9090/tcp', '127.0.0.1:8081/tcp'],
    'a repair of everything follows',
  );
  const guards: boolean[] = [];
  const { hold } = host.hostPorts;
  host.hostPorts.hold = (...args) => {
    guards.push(host.firewall.rules('mangle', 'TSBRIDGE-PROXY-DROP').join().includes('8080'));
    return hold.apply(host.hostPorts, args);
  };
  await concern.repair('quiet', everything);
  t.strictSame(guards, [true]);
  t.strictSame(open(host), ports);
  t.strictSame(heldBackPorts(world), []);
});

t.test('what another program has by then is told, and taken when it is free', async (t) => {
  const host = await published();
  host.firewall.flushRuleset();
  refuse(host, 1_000);
  const { world } = host.boot({}, 'docker28');
  await recover(world);
  host.firewall.failures.length = 0;
  host.hostPorts.foreign.set('0.0.0.0:8080/tcp', 'EADDRINUSE');
  await new RuleConcern(world).repair('quiet', everything);
  const concern = new PortConcern(world);
  t.strictSame(await concern.differences(), ['open socket 0.0.0.0:8080/tcp']);
  host.hostPorts.foreign.clear();
  await concern.repair('quiet');
  t.ok(open(host).includes('0.0.0.0:8080/tcp'));
});

t.test('guards that are there already keep the sockets open', async (t) => {
  const host = await published();
  const nat = host.firewall.tables(4).get('nat');
  for (const chain of nat?.values() ?? []) chain.rules.length = 0;
  refuse(host, 1_000);
  await start(host, 'docker28');
  t.strictSame(open(host), ports, 'a flush of nat has left table mangle');
});

t.test('a container that goes meanwhile has nothing opened', async (t) => {
  const host = await published();
  host.firewall.flushRuleset();
  refuse(host, 1_000);
  const { world } = host.boot({}, 'docker28');
  await recover(world);
  host.firewall.failures.length = 0;
  const driver = new CalledDriver(world, Promise.resolve());
  await driver.deleteEndpoint(ids());
  await new RuleConcern(world).repair('quiet', everything);
  t.strictSame(open(host), ['0.0.0.0:9090/tcp']);
});

t.test('settings with which no guard can be kept', async (t) => {
  const host = await published();
  host.firewall.missing.add('mangle');
  host.firewall.flushRuleset();
  const { world } = await start(host, 'docker28');
  t.strictSame(open(host), ['0.0.0.0:9090/tcp', '127.0.0.1:8081/tcp']);
  t.match(heldBackPorts(world), [/kept closed: .* this kernel has no table mangle for IPv4$/]);
});
