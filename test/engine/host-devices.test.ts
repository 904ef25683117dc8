/** Networks on bridges that the administrator made, and on a host whose IPv6 is switched off. */
import { DRIVER, labTest, SKIP_BUILT_IN } from '../lab/fixture.js';
import { ADDRESSES, type Lab } from '../lab/lab.js';

const onBridge = ['-o', 'com.docker.network.bridge.name=br-own'];

labTest('a bridge of the administrator keeps its addresses', {}, async (t, lab) => {
  const create = (...args: string[]): Promise<string> =>
    lab.docker('network', 'create', '-d', DRIVER, ...onBridge, ...args, 'app');
  const addresses = async (): Promise<string[]> => {
    const shown = await lab.hostNs('ip', '-brief', 'address', 'show', 'br-own');
    return shown
      .split(/\s+/)
      .filter((word) => /^[\da-f.:]+\/\d+$/.test(word) && !/^fe80::.*:/.test(word));
  };
  await lab.hostNs('ip', 'link', 'add', 'br-own', 'mtu', '1450', 'type', 'bridge');
  await lab.hostNs('ip', 'address', 'add', '10.70.0.1/24', 'dev', 'br-own');
  await lab.hostNs('ip', 'link', 'set', 'br-own', 'up');

  await create('--subnet', '10.71.0.0/24');
  await lab.run({ name: 'web', network: 'app', publish: ['9000:80'], serve: ['tcp/80'] });
  t.match(await lab.ask('lan', ADDRESSES.host, 9000), { name: 'web' }, 'the port is served');
  const both = DRIVER === 'tsbridge' ? ['10.70.0.1/24', '10.71.0.1/24'] : ['10.71.0.1/24'];
  t.strictSame(await addresses(), both, 'the network works beside what was there');
  await lab.docker('rm', '-f', 'web');
  await lab.docker('network', 'rm', 'app');
  if (DRIVER === 'tsbridge') {
    t.strictSame(await addresses(), ['10.70.0.1/24'], 'only what the network added goes with it');
  }
  await lab.hostNs('ip', 'link', 'delete', 'br-own');
});

labTest(
  'a refused network takes nothing from a bridge',
  { skip: SKIP_BUILT_IN },
  async (t, lab) => {
    const create = (name: string, ...args: string[]): Promise<string> =>
      lab.docker('network', 'create', '-d', DRIVER, ...args, name);
    await lab.hostNs('ip', 'link', 'add', 'br-own', 'type', 'bridge');
    await create('first', ...onBridge, '--subnet', '10.71.0.0/24');
    await t.rejects(
      create('second', ...onBridge, '--subnet', '10.72.0.0/24'),
      /conflicts with network [0-9a-f]{12} \(br-own\): networks have same bridge name/,
      'the other network is named',
    );
    await t.rejects(
      create('second', '-o', 'com.docker.network.bridge.name=docker0'),
      /conflicts with network bridge \(docker0\): networks have same bridge name/,
    );
    await lab.docker('network', 'rm', 'first');
    t.notMatch(await lab.hostNs('ip', 'address', 'show', 'br-own'), /inet 10\./);
    await lab.hostNs('ip', 'link', 'delete', 'br-own');
  },
);

async function switchIpv6(lab: Lab, value: '0' | '1'): Promise<void> {
  for (const name of ['all', 'default', 'lo']) {
    const path = `/proc/sys/net/ipv6/conf/${name}/disable_ipv6`;
    await lab.exec(['tee', path], 'host', { input: value });
  }
}

labTest('IPv6 networks on a host whose IPv6 is switched off', {}, async (t, lab) => {
  await switchIpv6(lab, '1');
  await lab.docker(
    ...['network', 'create', '-d', DRIVER, '--ipv6', '--subnet', 'fd00:77::/64', 'app'],
  );
  await lab.run({ name: 'web', network: 'app', publish: ['9000:80'], serve: ['tcp/80'] });
  await lab.run({ name: 'other', network: 'app' });
  t.match(await lab.ask('lan', ADDRESSES.host, 9000), { name: 'web' }, 'IPv4 from outside');
  const path = '{{(index .NetworkSettings.Networks "app").GlobalIPv6Address}}';
  const address = (await lab.docker('inspect', '-f', path, 'web')).trim();
  t.match(await lab.askIn('other', address, 80), { name: 'web' }, 'IPv6 inside');
  t.match(await lab.ask('host', address, 80), { name: 'web' }, 'IPv6 from the host');
  await lab.docker('rm', '-f', 'web', 'other');
  await lab.docker('network', 'rm', 'app');
  await switchIpv6(lab, '0');
  // What the kernel took away with it, and the policy that goes with switching forwarding on.
  await lab.hostNs('ip', 'address', 'add', '2001:db8:0:2::1/64', 'dev', 'eth0', 'nodad');
  await lab.hostNs('ip', '-6', 'route', 'add', 'default', 'via', '2001:db8:0:2::2');
  await lab.hostNs('ip6tables', '-P', 'FORWARD', 'ACCEPT');
});

labTest('a bridge may have any name that the kernel allows', {}, async (t, lab) => {
  for (const name of ['brücke', 'b{r};$(x)~,=^']) {
    const option = `com.docker.network.bridge.name=${name}`;
    await lab.docker('network', 'create', '-d', DRIVER, '-o', option, 'app');
    await lab.run({ name: 'web', network: 'app', publish: ['9000:80'], serve: ['tcp/80'] });
    t.match(await lab.ask('lan', ADDRESSES.host, 9000), { name: 'web' }, name);
    await lab.docker('rm', '-f', 'web');
    await lab.docker('network', 'rm', 'app');
  }
});
