/** What an operator publishes and unpublishes: the whole effect, the errors, and that an error changes nothing. */
import t from 'tap';
import { repairRules } from '../../../src/driver/repair/concerns/rules.js';
import { stateOf } from '../../fakes/fake-host.js';
import { containerId, OperatedHost } from '../../fakes/operator.js';

async function operated() {
  const host = await new OperatedHost().start();
  await host.createNetwork();
  const ids = await host.startContainer('web');
  return { host, ids };
}

t.test('as with -p: the same rules, in the same chains, and the same sockets', async (t) => {
  const by = await operated();
  await by.host.publish('web', ['8000:80', '8001:81/udp']);
  const engine = await operated();
  const { driver } = engine.host.engine;
  await driver.publishPorts(engine.ids, engine.host.engine.ports(8000, 8001));
  t.strictSame(by.host.host.firewall.dump(), engine.host.host.firewall.dump());
  t.strictSame(by.host.held, engine.host.held);
  t.strictSame(await repairRules(by.host.engine.world), []);
  t.equal(by.host.held.length, 4);
  const told = await by.host.engine.driver.endpointInfo(by.ids);
  t.notMatch(JSON.stringify(told), '8000', 'the engine is not told');
});

t.test('what is published, for how long, and who asked', async (t) => {
  const { host } = await operated();
  const [answer] = await host.publish('web', ['127.0.0.1:9229:9229']);
  t.match(answer, {
    already: false,
    trouble: undefined,
    bindings: [{ hostIp: '127.0.0.1', hostPort: 9229, containerIp: '10.5.0.2' }],
    publication: {
      kept: { for: 'container', container: containerId('web') },
      container: 'web',
      network: { name: 'shop' },
      word: '127.0.0.1:9229:9229/tcp',
      asker: { uid: 1000 },
      since: /^\d{4}-\d\d-\d\dT/,
    },
  });
  t.match(host.host.logged.at(-1), {
    message: 'user 1000 published ports of container web',
    fields: { ports: '127.0.0.1:9229:9229/tcp', uid: 1000 },
  });
  const [again] = await host.publish('web', ['127.0.0.1:09229:9229/tcp']);
  t.match(again, { already: true, publication: { id: answer?.publication.id } });
  t.equal(host.keeper.list().length, 1);
  await t.rejects(host.publish('web', ['127.0.0.1:9229:9229'], 'name'), {
    code: 'publication-exists',
    message: /kept for container [0-9a-f]{12} until it is removed: "tsbridge unpublish web@shop/,
  });
});

t.test('unpublished, all is as before; ports of one container port share a rule', async (t) => {
  const { host, ids } = await operated();
  await host.engine.driver.publishPorts(ids, host.engine.ports(8000));
  const before = stateOf(host.host);
  await host.publish('web', ['9000:80', '9001:80', '9001:80/tcp', '9100-9102:90-92/udp']);
  t.equal(host.records.length, 3);
  t.equal(host.held.length, 12);
  await host.unpublish('web', ['9000:80']);
  t.strictSame(await repairRules(host.engine.world), [], 'no rule is missing');
  const [gone] = await host.unpublish('web', ['9100-9102:90-92/udp']);
  t.equal(gone?.bindings.length, 6);
  await host.unpublish('web');
  t.strictSame(stateOf(host.host), before);
  t.strictSame(await repairRules(host.engine.world), []);
  t.strictSame(await host.unpublish('web'), [], 'nothing is left to unpublish');
});

t.test('what is told of ports of operators', async (t) => {
  const { host, ids } = await operated();
  const { told } = host.host;
  const ports = () =>
    told
      .splice(0)
      .flatMap((each) =>
        each.kind === 'published' || each.kind === 'released'
          ? [`${each.kind} by ${each.by}: ${each.count}, ${each.first.join(' ')}`]
          : [],
      );
  await host.publish('web', ['127.0.0.1:9000:80']);
  t.strictSame(ports(), ['published by operator: 1, 127.0.0.1:9000/tcp']);
  host.host.hostPorts.foreign.set('127.0.0.1:9600/tcp', 'EADDRINUSE');
  await t.rejects(host.publish('web', ['127.0.0.1:9600:80']));
  t.strictSame(ports(), [], 'what could not be published is not released');
  const { driver } = host.engine;
  host.host.hostPorts.foreign.set('0.0.0.0:8000/tcp', 'EADDRINUSE');
  await t.rejects(driver.publishPorts(ids, host.engine.ports(8000)));
  t.strictSame(ports(), [], "nor of the engine's");
  await host.unpublish('web');
  t.strictSame(ports(), ['released by operator: 1, 127.0.0.1:9000/tcp']);
  await host.publish('web', ['127.0.0.1:9000:80']);
  await host.stopContainer();
  t.strictSame(ports().slice(1), ['released by operator: 1, 127.0.0.1:9000/tcp']);
  await host.startContainer('web', 3, 'again');
  await host.told();
  t.strictSame(ports(), ['published by operator: 1, 127.0.0.1:9000/tcp'], 'again');
});

t.test('what the engine does with its own ports leaves those of operators alone', async (t) => {
  const { host, ids } = await operated();
  const { driver } = host.engine;
  await host.publish('web', ['9000:80']);
  const before = stateOf(host.host);
  await driver.publishPorts(ids, host.engine.ports(8000));
  t.equal(host.held.length, 4);
  await driver.publishPorts(ids, host.engine.ports(8002, 8003));
  t.strictSame(await repairRules(host.engine.world), []);
  await driver.revokePorts(ids);
  t.strictSame(stateOf(host.host), before);
  t.strictSame(await repairRules(host.engine.world), []);
  await t.rejects(driver.publishPorts(ids, host.engine.ports(9000)), {
    code: 'port-allocated',
    message:
      /by "tsbridge publish" for container web since .*free it with "tsbridge unpublish web@shop 9000:80\/tcp"/,
  });
  t.strictSame(stateOf(host.host), before, 'a refused -p changes nothing');
});

t.test('a port that is taken: the error names the holder, and nothing is changed', async (t) => {
  const { host, ids } = await operated();
  await host.startContainer('api', 3);
  await host.told();
  await host.engine.driver.publishPorts(ids, host.engine.ports(8000));
  await host.publish('web', ['9000:80']);
  const before = stateOf(host.host);
  const refused = (word: string, message: RegExp) =>
    t.rejects(host.publish('api', ['9500:80', word]), { code: 'port-allocated', message });
  await refused(
    '8000:80',
    /^port 8000 is published by web \(since .*\) on network shop; publish another/,
  );
  await refused('127.0.0.1:8000:80', /^port 8000 is published by web/);
  await refused('9000:80', /^port 9000 is published by "tsbridge publish" for container web since/);
  await t.rejects(host.publish('api', ['8000-8000:80']), /^port 8000/);
  host.host.hostPorts.foreign.set('0.0.0.0:9600/tcp', 'EADDRINUSE');
  await t.rejects(host.publish('api', ['9500:80', '9600:80']), { code: 'port-unavailable' });
  t.strictSame(stateOf(host.host), before);
  t.equal(host.keeper.list().length, 1);
  t.strictSame(await repairRules(host.engine.world), []);
});

t.test('a range on one side takes any free port of it', async (t) => {
  const { host } = await operated();
  await host.publish('web', ['9000:80']);
  const [answer] = await host.publish('web', ['9000-9001:81']);
  t.match(answer?.bindings, [{ hostPort: 9001 }, { hostPort: 9001 }]);
  await t.rejects(host.publish('web', ['9000-9001:82']), /all ports are allocated/);
});

t.test('who is meant', async (t) => {
  const { host } = await operated();
  const id = containerId('web');
  await host.publish(id.slice(0, 6), ['9000:80']);
  await t.rejects(host.publish('db', ['9001:80']), {
    code: 'container-unknown',
    message: 'no running container db is on a network of tsbridge',
  });
  await t.rejects(
    host.keeper.publish({
      ...{ container: 'web', network: 'other', ports: [], keptFor: 'container' as const },
      asker: { uid: 0, sudoUser: undefined },
    }),
    { message: 'no running container web is on network other' },
  );
  host.containers.down = 'connect ENOENT /run/docker.sock';
  await t.rejects(
    host.publish('db', ['9001:80']),
    /; the engine could not be asked: connect ENOENT/,
  );
  host.containers.down = undefined;
  await host.startContainer('web', 3, '', containerId('second'));
  await t.rejects(host.publish('db', ['9001:80']), { code: 'container-unknown' });
  await t.rejects(
    host.publish('web', ['9001:80']),
    /^web is ambiguous: say which of web@shop, web@shop/,
  );
  await t.rejects(host.unpublish('web', ['9001:80']), {
    code: 'publication-unknown',
    message: /^9001:80\/tcp is not published for web by an operator \(published: 9000:80\/tcp\)/,
  });
  await host.stopContainer();
  await host.told();
  await t.rejects(host.publish(id, ['9001:80']), { code: 'container-unknown' });
  t.equal(
    (await host.unpublish(id.slice(0, 12))).length,
    1,
    'also of a container that does not run',
  );
});

t.test('on an internal network nothing is published', async (t) => {
  const host = await new OperatedHost().start();
  const network = host.engine.network(5);
  const options = { ...network.options, 'com.docker.network.internal': true };
  await host.engine.driver.createNetwork({ ...network, options });
  await host.startContainer('web');
  const before = stateOf(host.host);
  await t.rejects(host.publish('web', ['9000:80']), {
    code: 'options-invalid',
    message: /^network br-[0-9a-f]{12} is internal: nothing outside of it reaches its containers/,
  });
  t.strictSame(stateOf(host.host), before);
});

t.test('on a bridge of the LAN nothing is published', async (t) => {
  const host = await new OperatedHost().start();
  host.host.links.links.set('br-lan', {
    ...{ index: 3, name: 'br-lan', kind: 'bridge', up: true, mtu: 1500 },
    ...{ master: undefined, hairpin: undefined, addresses: [] },
  });
  const network = host.engine.network(5);
  const labels = { 'com.docker.network.bridge.name': 'br-lan', 'tsbridge.bridge': 'unmanaged' };
  const options = { ...network.options, 'com.docker.network.generic': labels };
  await host.engine.driver.createNetwork({ ...network, options });
  await host.startContainer('web');
  const before = stateOf(host.host);
  await t.rejects(host.publish('web', ['9000:80']), {
    code: 'options-invalid',
    message: /^network br-lan is a bridge of the LAN: its containers are reached by their own/,
  });
  t.strictSame(stateOf(host.host), before);
});

t.test('on a full disk nothing is published, and nothing unpublished', async (t) => {
  const { host } = await operated();
  const before = stateOf(host.host);
  host.host.faults.plan('store.write', 'ENOSPC');
  await t.rejects(host.publish('web', ['9000:80']), /ENOSPC/);
  t.strictSame(stateOf(host.host), before);
  t.equal(host.keeper.list().length, 0);
  await host.publish('web', ['9000:80']);
  const published = stateOf(host.host);
  host.host.faults.plan('store.remove', 'EROFS');
  await t.rejects(host.unpublish('web'), /EROFS/);
  t.strictSame(stateOf(host.host), published);
  t.equal(host.keeper.list().length, 1);
});

t.test('what fails to be undone is said, and done by the next pass', async (t) => {
  const { host } = await operated();
  const before = stateOf(host.host);
  host.host.firewall.failures.push('no', 'no', 'no', 'no', 'no', 'no');
  await t.rejects(host.publish('web', ['9000:80']), /no/);
  host.host.firewall.failures.length = 0;
  await host.keeper.pass();
  t.strictSame(stateOf(host.host), before);
  await host.publish('web', ['9000:80']);
  host.host.firewall.failures.push('no', 'no');
  await t.rejects(host.unpublish('web'), { code: 'firewall-failed' });
  host.host.firewall.failures.length = 0;
  await host.keeper.pass();
  t.strictSame(stateOf(host.host), before);
});

t.test('asked for at the same time, and while the container is started anew', async (t) => {
  const { host } = await operated();
  await host.startContainer('api', 3);
  await host.told();
  const before = stateOf(host.host);
  const both = await Promise.allSettled([
    host.publish('web', ['9000:80']),
    host.publish('api', ['9000:80']),
  ]);
  t.strictSame(
    both.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  );
  t.match(both[1], { reason: { code: 'port-allocated' } });
  const same = await Promise.all([
    host.publish('api', ['9001:80']),
    host.publish('api', ['9001:80']),
  ]);
  t.strictSame(
    same.map(([answer]) => answer?.already),
    [false, true],
  );
  t.equal(host.records.length, 2);
  t.strictSame(await repairRules(host.engine.world), []);

  // The engine takes the container down while an operator publishes.
  const [asked] = await Promise.allSettled([
    host.publish('web', ['9002:80']),
    host.stopContainer(),
  ]);
  t.strictSame(await repairRules(host.engine.world), []);
  await host.startContainer('web', 2, 'again');
  await host.told();
  const open = host.keeper.list().filter(({ bindings }) => bindings.length > 0);
  t.equal(open.length, asked?.status === 'fulfilled' ? 3 : 2, 'what was promised is open again');
  for (const name of ['web', 'api']) await host.unpublish(name);
  t.strictSame(await repairRules(host.engine.world), []);
  t.equal(host.held.length, 0);
  t.strictSame(stateOf(host.host).ports, before.ports);
});
