/**
 * Who reaches whom: containers, the host, another host and the world.
 */
import { DRIVER, labTest, SUITE } from '../lab/fixture.js';
import { ADDRESSES } from '../lab/lab.js';

labTest('published ports', {}, async (t, lab) => {
  await lab.docker('network', 'create', '-d', DRIVER, 'app');
  await lab.run({
    name: 'web',
    network: 'app',
    publish: [
      ...['8080:80', '5353:53/udp', '7000-7002:70-72'],
      ...['127.0.0.1:8081:80', `${ADDRESSES.host}:8082:80`],
    ],
    serve: ['tcp/80', 'udp/53', 'tcp/70', 'tcp/71', 'tcp/72'],
  });
  for (const port of [8080, 7000, 7001, 7002, 8082]) {
    const answer = await lab.ask('lan', ADDRESSES.host, port);
    t.match(answer, { name: 'web', peer: ADDRESSES.lan }, `tcp ${port} from another host`);
  }
  const udp = await lab.ask('lan', ADDRESSES.host, 5353, { proto: 'udp' });
  t.match(udp, { name: 'web', peer: ADDRESSES.lan }, 'udp from another host');
  await t.rejects(lab.ask('lan', ADDRESSES.host, 8081), /ECONNREFUSED/, 'bound to 127.0.0.1');
  await t.rejects(lab.ask('host', '127.0.0.1', 8082), /ECONNREFUSED/, 'bound to one address');

  for (const [host, port] of [
    ['127.0.0.1', 8080],
    ['127.0.0.1', 8081],
    [ADDRESSES.host, 8082],
    ['::1', 8080],
  ] as const) {
    t.match(await lab.ask('host', host, port), { name: 'web' }, `${host}:${port} on the host`);
  }
  t.match(await lab.ask('lan', ADDRESSES.host6, 8080), { name: 'web' }, 'IPv6 to IPv4');
  t.match(await lab.ask('host', '127.0.0.1', 5353, { proto: 'udp' }), { name: 'web' });
  t.match(await lab.ask('lan', ADDRESSES.host6, 5353, { proto: 'udp' }), { name: 'web' });
  t.match(await lab.askIn('web', ADDRESSES.host, 8080), { name: 'web' }, 'its own port');

  const bytes = 20_000_000;
  for (const [from, host] of [
    ['lan', ADDRESSES.host],
    ['host', '127.0.0.1'],
  ] as const) {
    const answer = await lab.ask(from, host, 8080, { bytes, timeoutMs: 20_000 });
    t.equal(answer.bytes, bytes, `all of it arrives at ${host}, and half-close passes`);
  }
  await lab.docker('stop', 'web');
  await t.rejects(lab.ask('lan', ADDRESSES.host, 8080), 'nobody answers for a stopped container');
  await t.rejects(lab.ask('host', '127.0.0.1', 8080), /ECONNREFUSED/);
  await lab.docker('start', 'web');
  await lab.listening('web');
  t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: 'web' }, 'after a restart');
  await lab.docker('rm', '-f', 'web');
  await lab.docker('network', 'rm', 'app');
});

labTest(
  'without the userland proxy',
  {
    dockerdArgs: ['--userland-proxy=false'],
    tsbridgeArgs: ['--userland-proxy=false'],
  },
  async (t, lab) => {
    await lab.docker('network', 'create', '-d', DRIVER, 'app');
    const ports = { publish: ['8080:80', '5353:53/udp'], serve: ['tcp/80', 'udp/53'] };
    await lab.run({ name: 'web', network: 'app', ...ports });
    await lab.run({ name: 'client', network: 'app' });
    t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: 'web', peer: ADDRESSES.lan });
    t.match(await lab.ask('lan', ADDRESSES.host, 5353, { proto: 'udp' }), { name: 'web' });
    t.match(
      await lab.ask('host', '127.0.0.1', 8080),
      { name: 'web' },
      'by DNAT and route_localnet',
    );
    t.match(await lab.askIn('web', ADDRESSES.host, 8080), { name: 'web' }, 'hairpin to itself');
    t.match(
      await lab.askIn('client', ADDRESSES.host, 8080),
      { name: 'web' },
      'hairpin to a sibling',
    );
    await lab.docker('rm', '-f', 'web', 'client');
    await lab.docker('network', 'rm', 'app');
  },
);

labTest('networks are apart, and the world is reached from those that may', {}, async (t, lab) => {
  const world = await lab.serve('lan', 'tcp/9000', `udp/9000@${ADDRESSES.world}`);
  for (const [name, ...args] of [
    ['a'],
    ['b'],
    ['inside', '--internal'],
    ['quiet', '-o', 'com.docker.network.bridge.enable_icc=false'],
    ['plain', '-o', 'com.docker.network.bridge.enable_ip_masquerade=false'],
  ] as const) {
    await lab.docker('network', 'create', '-d', DRIVER, ...args, `net-${name}`);
    for (const index of [1, 2]) {
      await lab.run({ name: `${name}${index}`, network: `net-${name}`, serve: ['tcp/80'] });
    }
  }
  await lab.docker('network', 'create', '-d', 'bridge', 'builtin');
  await lab.run({ name: 'other', network: 'builtin', serve: ['tcp/80'] });
  const address = async (name: string): Promise<string> =>
    Object.values((await lab.inspect(name)).NetworkSettings.Networks)[0]?.IPAddress ?? '';

  const quick = { timeoutMs: 700 };
  t.match(await lab.askIn('a1', 'a2', 80), { name: 'a2' }, 'by name on one network');
  await t.rejects(lab.askIn('a1', await address('b1'), 80, quick), /timeout/, 'not to another');
  await t.rejects(lab.askIn('a1', await address('other'), 80, quick), /timeout/, 'nor a built-in');
  await t.rejects(lab.askIn('other', await address('a1'), 80, quick), /timeout/, 'nor back');
  t.match(await lab.askIn('inside1', 'inside2', 80), { name: 'inside2' }, 'inside --internal');
  await t.rejects(lab.askIn('inside1', await address('a1'), 80, quick), 'not out of it');
  await t.rejects(lab.askIn('inside1', ADDRESSES.world, 9000, quick), 'no world for --internal');
  await t.rejects(lab.askIn('quiet1', await address('quiet2'), 80, quick), /timeout/, 'icc off');

  for (const name of ['a1', 'quiet1']) {
    for (const proto of ['tcp', 'udp'] as const) {
      const answer = await lab.askIn(name, ADDRESSES.world, 9000, { proto });
      t.equal(answer.peer, ADDRESSES.host, `${name} reaches the world over ${proto}`);
    }
  }
  await t.rejects(lab.askIn('plain1', ADDRESSES.world, 9000, quick), /timeout/, 'no way back');
  await lab.lanNs('ip', 'route', 'add', '172.16.0.0/12', 'via', ADDRESSES.host);
  if (SUITE === 'forky') {
    // Since 28 packets to a container's own address are dropped, answers of the world among them.
    await t.rejects(lab.askIn('plain1', ADDRESSES.world, 9000, quick), /timeout/);
  } else {
    const plain = await lab.askIn('plain1', ADDRESSES.world, 9000);
    t.equal(plain.peer, await address('plain1'), 'without masquerading: its own address');
  }
  await world.kill();
  const containers = ['a', 'b', 'inside', 'quiet', 'plain'].flatMap((n) => [`${n}1`, `${n}2`]);
  await lab.docker('rm', '-f', 'other', ...containers);
  for (const name of ['builtin', 'net-a', 'net-b', 'net-inside', 'net-quiet', 'net-plain']) {
    await lab.docker('network', 'rm', name);
  }
});

labTest('a container on two networks', {}, async (t, lab) => {
  for (const name of ['app', 'back']) await lab.docker('network', 'create', '-d', DRIVER, name);
  const web = { name: 'web', network: 'app', publish: ['8080:80'], serve: ['tcp/80'] };
  await lab.run(web);
  await lab.run({ name: 'db', network: 'back', serve: ['tcp/80'] });
  // By address: a name that is not known takes the resolver 10 s.
  const db = (await lab.inspect('db')).NetworkSettings.Networks.back?.IPAddress ?? '';
  const quick = { timeoutMs: 700 };
  await t.rejects(lab.askIn('web', db, 80, quick), 'not yet connected');
  await lab.docker('network', 'connect', 'back', 'web');
  t.match(await lab.docker('exec', 'web', 'ip', '-o', 'addr'), /eth0[\s\S]*eth1/);
  t.match(await lab.askIn('web', 'db', 80), { name: 'db' });
  t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: 'web' });
  await lab.docker('network', 'disconnect', 'app', 'web');
  t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: 'web' }, 'the port moved along');
  await lab.docker('network', 'connect', 'app', 'web');
  await lab.docker('network', 'disconnect', 'back', 'web');
  await t.rejects(lab.askIn('web', db, 80, quick), 'no longer connected');
  t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: 'web' });
  await lab.docker('rm', '-f', 'web', 'db');
  for (const name of ['app', 'back']) await lab.docker('network', 'rm', name);
});
