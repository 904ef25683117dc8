/**
 * Published ports beyond the plain case: ephemeral ones, SCTP, old flows, and the one process that
 * holds them all.
 */
import { DRIVER, labTest, SKIP_BUILT_IN } from '../lab/fixture.js';
import { ADDRESSES, type Lab } from '../lab/lab.js';
import { until } from '../lab/process.js';

/** The host port of each DNAT rule, by container port: Docker does not show a plugin's ports. */
async function hostPorts(lab: Lab): Promise<Map<number, number>> {
  const ports = new Map<number, number>();
  for (const rule of await lab.saveRules(4)) {
    const found = /--dport (\d+) -j DNAT --to-destination [\d.]+:(\d+)/.exec(rule);
    if (found) ports.set(Number(found[2]), Number(found[1]));
  }
  return ports;
}

/** Process ids (in the lab's numbering) of the proxy. */
async function proxies(lab: Lab): Promise<string[]> {
  const text = await lab.hostNs('sh', '-c', 'grep -lx tsbridge-proxy /proc/[0-9]*/comm || true');
  return [...text.matchAll(/\/proc\/(\d+)\/comm/g)].flatMap(([, pid]) => pid ?? []);
}

labTest('ephemeral ports', {}, async (t, lab) => {
  await lab.docker('network', 'create', '-d', DRIVER, 'app');
  const args = ['-P', '--expose', '82'];
  const serve = ['tcp/80', 'tcp/81', 'tcp/82'];
  await lab.run({ name: 'web', network: 'app', publish: ['80', '0:81'], args, serve });
  const ports = await hostPorts(lab);
  for (const containerPort of [80, 81, 82]) {
    const port = ports.get(containerPort) ?? 0;
    t.ok(port >= 32768 && port <= 60999, `${port} is in the host's ephemeral range`);
    t.match(await lab.ask('lan', ADDRESSES.host, port), { name: 'web' });
  }
  await lab.docker('rm', '-f', 'web');
  await lab.docker('network', 'rm', 'app');
});

labTest('any free port, beside networks of the built-in driver', {}, async (t, lab) => {
  await lab.docker('network', 'create', '-d', DRIVER, 'app');
  const names = ['one', 'two', 'three', 'four', 'five', 'six'];
  // Both drivers take ports without knowing of each other's: neither may find one taken.
  for (const [index, name] of names.entries()) {
    const network = index % 3 === 2 ? 'bridge' : 'app';
    await lab.run({ name, network, publish: ['80', '81'], serve: ['tcp/80'] });
  }
  const dnat = /--dport (\d+) -j DNAT --to-destination [\d.]+:80$/;
  const rules = await lab.saveRules(4);
  const ports = rules.flatMap((rule) => dnat.exec(rule)?.[1] ?? []).map(Number);
  const answers = await Promise.all(ports.map((port) => lab.ask('lan', ADDRESSES.host, port)));
  t.same(answers.map(({ name }) => name).sort(), [...names].sort(), 'each has a port of its own');
  await lab.docker('rm', '-f', ...names);
  await lab.docker('network', 'rm', 'app');
});

labTest('a host with IPv6 switched off', {}, async (t, lab) => {
  const loopback = '/proc/sys/net/ipv6/conf/lo/disable_ipv6';
  // As `ipv6.disable_ipv6=1` has it; the engine tries ::1 once, when it publishes its first port.
  await lab.hostNs('sh', '-c', `echo 1 > ${loopback}`);
  await lab.docker('network', 'create', '-d', DRIVER, 'app');
  await lab.run({ name: 'web', network: 'app', publish: ['8080:80'], serve: ['tcp/80'] });
  t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: 'web' });
  const { sockets } = await lab.snapshot();
  const held = sockets.filter((socket) => socket.includes(':8080 '));
  t.equal(held.length, 1, held.join());
  t.match(held[0], '0.0.0.0:8080');
  await lab.hostNs('sh', '-c', `echo 0 > ${loopback}`);
  await lab.docker('rm', '-f', 'web');
  await lab.docker('network', 'rm', 'app');
});

labTest('SCTP', {}, async (t, lab) => {
  await lab.docker('network', 'create', '-d', DRIVER, 'app');
  const known = /^SCTP/m.test(await lab.hostNs('cat', '/proc/net/protocols'));
  const start = lab.run({ name: 'web', network: 'app', publish: ['9999:99/sctp'] });
  if (known) {
    await start;
    t.match((await lab.saveRules(4)).join('\n'), /-p sctp .*--dport 9999 -j DNAT/);
  } else {
    await t.rejects(start, /protocol not supported/, 'refused where the kernel has none');
    t.notMatch((await lab.saveRules(4)).join('\n'), /sctp/);
  }
  await lab.docker('rm', '-f', 'web');
  await lab.docker('network', 'rm', 'app');
});

labTest('a UDP client that was there before the container', {}, async (t, lab) => {
  await lab.docker('network', 'create', '-d', DRIVER, 'app');
  const client = { proto: 'udp', localPort: 40_000 } as const;
  const publish = ['5353:53/udp'];
  for (const round of [1, 2]) {
    const before = await lab.serve('host', 'udp/5353');
    const first = await lab.ask('lan', ADDRESSES.host, 5353, client);
    t.equal(first.name, 'lab', 'served by the host itself');
    await before.kill();
    const name = `dns${round}`;
    await lab.run({ name, network: 'app', publish, serve: ['udp/53'] });
    const second = await lab.ask('lan', ADDRESSES.host, 5353, client);
    t.equal(second.name, name, 'the same client reaches the container');
    await lab.docker('rm', '-f', name);
  }
  await lab.docker('network', 'rm', 'app');
});

labTest(
  'one proxy process for all ports, which comes back',
  { skip: SKIP_BUILT_IN },
  async (t, lab) => {
    await lab.docker('network', 'create', '-d', DRIVER, 'app');
    const ports = { publish: ['8000-8019:80-99'], serve: ['tcp/80', 'tcp/99'] };
    await lab.run({ name: 'one', network: 'app', ...ports });
    await lab.run({ name: 'two', network: 'app', publish: ['9000-9019:80-99'], serve: ['tcp/80'] });
    const running = await proxies(lab);
    t.equal(running.length, 1, 'one process for 40 ports');
    await lab.hostNs('sh', '-c', `kill -KILL ${running.join(' ')}`);
    for (const [port, name] of [
      [8019, 'one'],
      [9000, 'two'],
    ] as const) {
      await until(`the proxy to come back with port ${port}`, async () => {
        const answer = await lab.ask('host', '127.0.0.1', port).catch(() => undefined);
        return answer?.name === name || undefined;
      });
    }
    t.equal((await proxies(lab)).length, 1);
    await lab.docker('rm', '-f', 'one', 'two');
    await lab.docker('network', 'rm', 'app');
  },
);
