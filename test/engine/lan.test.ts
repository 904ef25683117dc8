/** Containers on a bridge that carries the host's NIC: reached at addresses of the LAN, and no other network loses its way. */
import type { DoctorItem } from '../../src/cli/schemas/doctor.js';
import { labTest, SKIP_BUILT_IN, SUITE } from '../lab/fixture.js';
import { ADDRESSES, type Lab } from '../lab/lab.js';
import { NODE, until } from '../lab/process.js';
import { itemsOf } from '../process/documents.js';

/** Free addresses of the LAN. */
const own = { web: '192.0.2.17', other: '192.0.2.18' };

/** As an administrator does it: the host's address moves to a bridge, and the NIC becomes a port of it. */
async function makeLanBridge(lab: Lab): Promise<void> {
  const ip = (...words: string[]) => lab.hostNs('ip', ...words);
  await ip('link', 'add', 'br-lan', 'type', 'bridge');
  await ip('link', 'set', 'br-lan', 'up');
  await ip('link', 'set', 'eth0', 'master', 'br-lan');
  await ip('address', 'del', `${ADDRESSES.host}/24`, 'dev', 'eth0');
  await ip('address', 'add', `${ADDRESSES.host}/24`, 'dev', 'br-lan');
  await ip('route', 'add', 'default', 'via', ADDRESSES.lan);
}

async function removeLanBridge(lab: Lab): Promise<void> {
  const ip = (...words: string[]) => lab.hostNs('ip', ...words);
  await ip('link', 'delete', 'br-lan');
  await ip('address', 'add', `${ADDRESSES.host}/24`, 'dev', 'eth0');
  await ip('route', 'add', 'default', 'via', ADDRESSES.lan);
}

const unmanaged = [
  ...['-o', 'com.docker.network.bridge.name=br-lan', '-o', 'tsbridge.bridge=unmanaged'],
];
const addresses = ['--subnet', '192.0.2.0/24', '--ip-range', '192.0.2.16/28'];

const lanTest = (name: string, body: Parameters<typeof labTest>[2]): void =>
  labTest(name, { skip: SKIP_BUILT_IN }, async (t, lab, daemon) => {
    await makeLanBridge(lab);
    const create = ['network', 'create', '-d', 'tsbridge'];
    await lab.docker(...create, 'app');
    await lab.run({ name: 'app', network: 'app', publish: ['9000:80'], serve: ['tcp/80'] });
    const world = await lab.serve('lan', 'tcp/9001');
    await body(t, lab, daemon);
    await world.kill();
    await lab.docker('rm', '-f', 'app');
    await lab.docker('network', 'rm', 'app');
    await removeLanBridge(lab);
  });

lanTest('a network on the bridge of the LAN cuts nobody off', async (t, lab) => {
  const others = async (when: string): Promise<void> => {
    t.match(await lab.askIn('app', ADDRESSES.world, 9001), { name: 'lab' }, `outside, ${when}`);
    t.match(await lab.ask('lan', ADDRESSES.host, 9000), { name: 'app' }, `its port, ${when}`);
  };
  const link = () => lab.hostNs('ip', '-brief', 'address', 'show', 'br-lan');
  const bridgeMac = async () => (await lab.hostNs('cat', '/sys/class/net/br-lan/address')).trim();
  const rules = async () => {
    const saved = [...(await lab.saveRules(4)), ...(await lab.saveRules(6))];
    return saved.filter((line) => /br-lan|192\.0\.2\./.test(line));
  };
  await others('before it');
  const before = { link: await link(), mac: await bridgeMac() };
  const create = (...args: string[]) =>
    lab.docker('network', 'create', '-d', 'tsbridge', ...unmanaged, ...args, 'lan');
  await create(...addresses, '--gateway', ADDRESSES.lan);
  await others('with it');
  const chain = lab.suite === 'bookworm' || lab.suite === 'trixie' ? 'FORWARD' : 'DOCKER-FORWARD';
  const accepts = [`-A ${chain} -i br-lan -o br-lan -j ACCEPT`];
  t.strictSame(await rules(), accepts, 'one rule');

  const ports = { publish: ['9002:80'], serve: ['tcp/80'] };
  await lab.run({ name: 'web', network: 'lan', ...ports, args: ['--ip', own.web] });
  await lab.run({ name: 'other', network: 'lan', serve: ['tcp/80'], args: ['--ip', own.other] });
  t.match(await lab.ask('lan', own.web, 80), { name: 'web', peer: ADDRESSES.lan }, 'from the LAN');
  t.match(await lab.ask('host', own.web, 80), { name: 'web', peer: ADDRESSES.host }, 'by the host');
  t.match(await lab.askIn('other', own.web, 80), { name: 'web', peer: own.other }, 'by another');
  t.match(
    await lab.askIn('web', ADDRESSES.world, 9001),
    { name: 'lab', peer: own.web },
    'it reaches the outside by the router of the LAN, with its own address',
  );
  await t.rejects(lab.ask('lan', ADDRESSES.host, 9002), /ECONNREFUSED/, 'no port of the host');
  await others('with containers on it');
  t.strictSame(await rules(), accepts, 'containers and ports add none');
  t.strictSame({ link: await link(), mac: await bridgeMac() }, before, 'the bridge is as it was');

  await lab.killTsbridge('SIGKILL');
  await lab.spawnTsbridge();
  t.match(await lab.ask('lan', own.web, 80), { name: 'web' }, 'after a death of the daemon');
  await others('after a death of the daemon');
  await lab.restartDockerd();
  for (const name of ['app', 'web', 'other']) {
    await lab.docker('start', name);
    await lab.listening(name);
  }
  await others('after a restart of the engine');
  t.match(await lab.ask('lan', own.web, 80), { name: 'web' }, 'after a restart of the engine');
  t.strictSame(await rules(), accepts, 'after a restart of the engine');

  const remembered = () => lab.lanNs('ip', 'neigh', 'show', own.web);
  const mac = '02:42:00:00:00:99';
  t.match(await remembered(), / lladdr /);
  t.notMatch(await remembered(), mac);
  await lab.docker('rm', '-f', 'web');
  await lab.run({ name: 'web', network: 'lan', args: ['--ip', own.web, '--mac-address', mac] });
  await until('another host to know the new MAC address, before it asks', async () => {
    return (await remembered()).includes(mac) || undefined;
  });

  await lab.docker('rm', '-f', 'web', 'other');
  await lab.docker('network', 'rm', 'lan');
  await others('without it');
  t.strictSame(await rules(), [], 'no rule is left');
  t.strictSame({ link: await link(), mac: await bridgeMac() }, before, 'the bridge is as it was');
});

lanTest('Docker’s rules on the bridge of the LAN, and who tells of them', async (t, lab) => {
  const main = '/opt/tsbridge/dist/main.js';
  const found = async () => {
    // The status tells how bad the worst finding is.
    const command = [...NODE, main, 'doctor', '--json'].join(' ');
    const out = await lab.exec(['sh', '-c', `${command} || true`]);
    return itemsOf<DoctorItem>(out).filter(({ code }) => code === 'network-on-uplink');
  };
  const create = (...args: string[]) => lab.docker('network', 'create', '-d', 'tsbridge', ...args);
  t.strictSame(await found(), []);
  await create('-o', 'com.docker.network.bridge.name=br-lan', '--subnet', '10.99.0.0/24', 'lan');
  await t.rejects(lab.askIn('app', ADDRESSES.world, 9001), 'another network is cut off');
  t.match(await found(), [{ object: 'lan', evidence: 'the default route leaves by br-lan' }]);
  const status = async () => {
    const command = `${[...NODE, main, 'status'].join(' ')} || true`;
    return (await lab.exec(['sh', '-c', command])).replace(/\s+/g, ' ');
  };
  const way = /\(br-lan\): the host's default route leaves by br-lan.*tsbridge.bridge=unmanaged/;
  t.match(await status(), way);
  await lab.docker('network', 'rm', 'lan');
  t.match(await lab.askIn('app', ADDRESSES.world, 9001), { name: 'lab' }, 'and comes back');
  await create(...unmanaged, ...addresses, 'lan');
  t.match(await lab.askIn('app', ADDRESSES.world, 9001), { name: 'lab' });
  t.strictSame(await found(), []);
  t.notMatch(await status(), /default route leaves/);
  await lab.docker('network', 'rm', 'lan');
});

lanTest('what the bridge of the LAN may lack, and lose', async (t, lab) => {
  const create = (...args: string[]) =>
    lab.docker('network', 'create', '-d', 'tsbridge', '-o', 'tsbridge.bridge=unmanaged', ...args);
  await t.rejects(
    create('--internal', '-o', 'com.docker.network.bridge.enable_icc=false', 'lan'),
    {
      message:
        /3 problems: \(1\) .*needs com\.docker\.network\.bridge\.name.*\(2\) --internal.*leave it out.*\(3\) .*enable_icc=false .*port_isolation=true/,
    },
    'everything that is wrong is said',
  );
  await t.rejects(
    create('-o', 'com.docker.network.bridge.name=br-none', ...addresses, 'lan'),
    /br-none: there is no such bridge.*ip link add name br-none type bridge/,
  );
  // An engine that has no gateway to give adds docker_gwbridge, unless the driver says otherwise.
  const named = ['-o', 'com.docker.network.bridge.name=br-lan'];
  await create(...named, '--ipam-driver', 'null', 'lan');
  await lab.run({ name: 'bare', network: 'lan' });
  const links = await lab.exec(['ip', '-brief', 'link'], await lab.container('bare'));
  t.strictSame(
    links
      .trim()
      .split('\n')
      .map((line) => /^[^@\s]+/.exec(line)?.[0]),
    ['lo', 'eth0'],
    'no second interface',
  );
  await lab.exec(
    ['ip', 'address', 'add', `${own.web}/24`, 'dev', 'eth0'],
    await lab.container('bare'),
  );
  t.match(await lab.ask(await lab.container('bare'), ADDRESSES.lan, 9001), { peer: own.web });

  await removeLanBridge(lab);
  await makeLanBridge(lab);
  await until('the container to be on the bridge again', async () => {
    const ports = await lab.hostNs('ip', '-brief', 'link', 'show', 'master', 'br-lan');
    return /^veth/m.test(ports) || undefined;
  });
  t.match(await lab.ask(await lab.container('bare'), ADDRESSES.lan, 9001), { peer: own.web });
  await lab.docker('rm', '-f', 'bare');
  await lab.docker('network', 'rm', 'lan');
});

/** Addresses of the LAN that the host answers for, without a bridge on its NIC. */
const proxied = { web: '192.0.2.34', web6: '2001:db8:0:2:c::2' };

labTest(
  'addresses of the LAN, and the NIC stays as it is',
  // Docker from 28 on sets the policy of IPv6's FORWARD when it switches forwarding on, and leaves it so.
  { skip: SKIP_BUILT_IN, forwarding: SUITE === 'forky' },
  async (t, lab) => {
    const nic = () => lab.hostNs('ip', 'address', 'show', 'eth0');
    await until(
      'the NIC’s own addresses',
      async () =>
        (await lab.hostNs('ip', 'address', 'show', 'dev', 'eth0', 'tentative')) === '' || undefined,
    );
    const before = await nic();
    const create = (...args: string[]) =>
      lab.docker('network', 'create', '-d', 'tsbridge', '-o', 'tsbridge.attach=proxy', ...args);
    const parent = ['-o', 'tsbridge.parent=eth0'];
    await t.rejects(create('--internal', 'lan'), {
      message: /2 problems: \(1\) .*needs tsbridge.parent=INTERFACE.*\(2\) --internal cannot go/,
    });
    await t.rejects(
      create(...parent, '--subnet', '192.0.2.0/24', '--gateway', '192.0.2.9', 'lan'),
      /its own address 192.0.2.1\/24 is in the network's subnet 192.0.2.0\/24/,
    );
    const subnets = ['--subnet', '192.0.2.32/28', '--ipv6', '--subnet', '2001:db8:0:2:c::/80'];
    await create(...parent, ...subnets, 'lan');
    await lab.docker('network', 'create', '-d', 'tsbridge', 'app');
    await lab.run({ name: 'app', network: 'app', publish: ['9000:80'], serve: ['tcp/80'] });
    const args = ['--ip', proxied.web, '--ip6', proxied.web6];
    await lab.run({ name: 'web', network: 'lan', serve: ['tcp/80'], args });
    const outside = await lab.serve('lan', 'tcp/9001');
    const all = async (when: string): Promise<void> => {
      const peers = { name: 'web', peer: ADDRESSES.lan };
      t.match(await lab.ask('lan', proxied.web, 80), peers, `from the LAN, ${when}`);
      const peers6 = { name: 'web', peer: ADDRESSES.lan6 };
      t.match(await lab.ask('lan', proxied.web6, 80), peers6, `by IPv6, ${when}`);
      t.match(await lab.ask('host', proxied.web, 80), { name: 'web' }, `by the host, ${when}`);
      for (const [to, peer] of [
        [ADDRESSES.lan, proxied.web],
        [ADDRESSES.world, proxied.web],
        [ADDRESSES.lan6, proxied.web6],
      ] as const) {
        t.match(await lab.askIn('web', to, 9001), { name: 'lab', peer }, `to ${to}, ${when}`);
      }
      t.match(await lab.ask('lan', ADDRESSES.host, 9000), { name: 'app' }, `a port, ${when}`);
    };
    await all('when it has started');
    await t.rejects(lab.askIn('app', proxied.web, 80), 'other networks of the host are isolated');
    t.equal(await nic(), before);

    await lab.killTsbridge('SIGKILL');
    for (const address of [proxied.web, proxied.web6]) {
      await lab.hostNs('ip', 'neigh', 'del', 'proxy', address, 'dev', 'eth0');
    }
    await lab.spawnTsbridge();
    const answered = async () => {
      const shown = await lab.hostNs('sh', '-c', 'ip -4 neigh show proxy; ip -6 neigh show proxy');
      return shown.match(/\S+ dev eth0/g) ?? [];
    };
    await until('the daemon to answer again', async () => {
      return (await answered()).length === 2 || undefined;
    });
    await lab.restartDockerd();
    for (const name of ['app', 'web']) {
      await lab.docker('start', name);
      await lab.listening(name);
    }
    await all('after a restart of the engine');
    await lab.docker('rm', '-f', 'web');
    t.strictSame(await answered(), [], 'the host answers no more');
    await outside.kill();
    await lab.docker('rm', '-f', 'app');
    await lab.docker('network', 'rm', 'app', 'lan');
    t.equal(await nic(), before);
  },
);
