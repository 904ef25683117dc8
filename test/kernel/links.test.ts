import { setTimeout } from 'node:timers/promises';
import { inFreshNamespace, ipJson, run } from '../process/netns.js';

inFreshNamespace();
// Names of namespaces are files there.
run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
const { default: t } = await import('tap');
const { bridge, known, mac, name, veth } = await import('../process/link-specs.js');
const { linkIndex, linkName } = await import('../../src/host/netlink/socket/link-names.js');
const { LinksNetlink } = await import('../../src/host/netlink/links.js');
const { getLinkRequest } = await import('../../src/codec/netlink/link-messages.js');
const { attribute, u32 } = await import('../../src/codec/netlink/netlink-message.js');
const { NetlinkSocket, netlinkProtocol } = await import(
  '../../src/host/netlink/socket/netlink-socket.js'
);
const { parseCidr } = await import('../../src/core/address.js');

const cidr = (text: string) => known(parseCidr(text));
const show = (link: string) => ipJson('-details', 'link', 'show', link)[0] ?? {};

const links = new LinksNetlink();
t.teardown(() => links.close());

t.test('a bridge is created with its MTU and MAC, down', async (t) => {
  await links.create(bridge('br-a'));
  t.match(show('br-a'), {
    address: mac,
    mtu: 1500,
    operstate: 'DOWN',
    linkinfo: { info_kind: 'bridge' },
  });
  t.match(await links.find('br-a'), {
    name: 'br-a',
    kind: 'bridge',
    up: false,
    mtu: 1500,
    master: undefined,
    hairpin: undefined,
    addresses: [],
  });
  await t.rejects(links.create(bridge('br-a')), {
    code: 'link-failed',
    message: /creating bridge br-a: .*EEXIST.*taken/,
  });
  await links.remove(name('br-a'));
  t.equal(await links.find('br-a'), undefined);
  await links.remove(name('br-a'));
});

t.test('a link is found by its name, and no other one by a name that is too long', async (t) => {
  run('ip', ['link', 'add', 'a-name-of-15-by', 'type', 'bridge']);
  run('ip', ['link', 'add', 'näme', 'type', 'bridge']);
  for (const each of ['a-name-of-15-by', 'näme', 'lo']) {
    const index = linkIndex(each);
    t.equal(index, show(each).ifindex);
    t.equal(linkName(index ?? 0), each);
  }
  for (const none of ['a-name-of-15-byt', 'a-name-of-15-b', 'br-none', '', 'lo\0', 'lo/']) {
    t.equal(linkIndex(none), undefined, JSON.stringify(none));
  }
  t.equal(linkName(4_000_000), undefined);
  run('ip', ['link', 'del', 'a-name-of-15-by']);
  t.equal(linkIndex('a-name-of-15-by'), undefined);
  run('ip', ['link', 'del', 'näme']);
});

t.test('the MTU of a bridge stays when ports come and go', async (t) => {
  await links.create(bridge('br-mtu', 1400));
  t.equal(show('br-mtu').mtu, 1400);
  await links.create(veth('vh', 'vc', 'br-mtu', { mtu: 1300 }));
  t.equal(show('br-mtu').mtu, 1400);
  await links.remove(name('vh'));
  t.equal(show('br-mtu').mtu, 1400);
  await links.remove(name('br-mtu'));
});

t.test('a bridge whose MTU is refused is not left over', async (t) => {
  await t.rejects(links.create(bridge('br-big', 100_000)), {
    message: /creating bridge br-big: .*EINVAL/,
  });
  t.equal(await links.find('br-big'), undefined);
});

t.test('a veth pair is created with the host end on its bridge and up', async (t) => {
  await links.create(bridge('br-b'));
  await links.change(name('br-b'), { up: true });
  await links.create(veth('vh0', 'vc0', 'br-b', { mtu: 1400 }));
  const host = show('vh0');
  t.match(host, { mtu: 1400, master: 'br-b', link: 'vc0', linkinfo: { info_kind: 'veth' } });
  t.ok(Array.isArray(host.flags) && host.flags.includes('UP'));
  t.match(host, { linkinfo: { info_slave_kind: 'bridge', info_slave_data: { hairpin: false } } });
  t.match(show('vc0'), { mtu: 1400, operstate: 'DOWN', link: 'vh0' });
  t.notOk(show('vc0').master);
  // A queue length of 0, as on Docker's, is not shown.
  t.equal(host.txqlen, undefined);

  await links.create(veth('vh1', 'vc1', 'br-b', { hairpin: true }));
  const found = await links.find('vh1');
  t.match(found, { kind: 'veth', up: true, mtu: 1500, hairpin: true, addresses: [] });
  t.equal(found?.master, (await links.find('br-b'))?.index);

  await t.rejects(links.create(veth('vh2', 'vc1', 'br-b')), /vh2 and vc1 on br-b: .*EEXIST/);
  t.equal(await links.find('vh2'), undefined, 'nothing is left of a pair that failed');
  await t.rejects(links.create(veth('vh2', 'vc2', 'br-none')), /no interface br-none/);
  await t.rejects(links.create(veth('vh2', 'vc2', 'lo')), { code: 'link-failed' });
  t.equal(await links.find('vc2'), undefined);
});

t.test('isolated ports reach the bridge, and not each other', async (t) => {
  await links.addAddress(name('br-b'), cidr('10.4.0.1/24'));
  /** Whether an answer to ARP comes back. */
  const reaches = async (from: string, to: string): Promise<boolean> => {
    run('ip', ['-netns', from, 'neigh', 'flush', 'all']);
    run('ip', ['netns', 'exec', from, 'bash', '-c', `echo >/dev/udp/${to}/9`]);
    for (let wait = 0; wait < 100; wait += 1) {
      const entry = run('ip', ['-netns', from, 'neigh', 'show', to]);
      if (/lladdr/.test(entry)) return true;
      if (/FAILED/.test(entry)) return false;
      await setTimeout(100);
    }
    throw new Error(`${from}: ARP for ${to} does not end`);
  };
  for (const [index, isolated] of [true, true, false].entries()) {
    const end = `vi${index}`;
    await links.create(veth(end, `${end}c`, 'br-b', isolated ? { isolated } : {}));
    t.match(show(end), { linkinfo: { info_slave_data: { isolated } } });
    t.match(await links.find(end), { isolated });
    run('ip', ['netns', 'add', end]);
    run('ip', ['link', 'set', `${end}c`, 'netns', end]);
    const inside = ['-netns', end];
    run('ip', [...inside, 'address', 'add', `10.4.0.${index + 2}/24`, 'dev', `${end}c`]);
    run('ip', [...inside, 'link', 'set', `${end}c`, 'up']);
  }
  t.ok(await reaches('vi0', '10.4.0.1'), 'the bridge');
  t.ok(await reaches('vi0', '10.4.0.4'), 'a port that is not isolated');
  t.notOk(await reaches('vi0', '10.4.0.3'), 'another that is');
  run('ip', ['link', 'set', 'vi1', 'type', 'bridge_slave', 'isolated', 'off']);
  t.ok(await reaches('vi0', '10.4.0.3'));
  await links.change(name('vi1'), { isolated: true });
  t.notOk(await reaches('vi0', '10.4.0.3'));
  for (const end of ['vi0', 'vi1', 'vi2']) {
    run('ip', ['netns', 'delete', end]);
    await links.remove(name(end));
  }
  await links.removeAddress(name('br-b'), cidr('10.4.0.1/24'));
});

t.test('a link is changed as it is told', async (t) => {
  await links.change(name('vh0'), { hairpin: true, mtu: 1350 });
  t.match(show('vh0'), { mtu: 1350, linkinfo: { info_slave_data: { hairpin: true } } });
  run('ip', ['link', 'set', 'vh0', 'nomaster', 'down']);
  await links.change(name('vh0'), { master: name('br-b'), up: true, hairpin: true });
  t.match(await links.find('vh0'), { up: true, hairpin: true });
  t.equal(show('vh0').master, 'br-b');
  await links.change(name('vh0'), {});
  await t.rejects(links.change(name('gone'), { up: true }), /changing interface gone: .*ENODEV/);
});

t.test('addresses are added to a bridge and removed', async (t) => {
  const device = name('br-b');
  await links.addAddress(device, cidr('10.5.0.1/24'));
  await links.addAddress(device, cidr('10.5.0.1/24'));
  await links.addAddress(device, cidr('fd00:5::1/64'));
  await links.addAddress(device, cidr('10.6.0.1/32'));
  const shown = ipJson('address', 'show', device)[0]?.addr_info;
  t.match(shown, [
    { local: '10.5.0.1', prefixlen: 24, broadcast: '10.5.0.255' },
    { local: '10.6.0.1', prefixlen: 32, broadcast: undefined },
    { local: 'fd00:5::1', prefixlen: 64, nodad: true },
  ]);
  const observed = (await links.find(device))?.addresses ?? [];
  t.match(observed.slice(0, 3), [cidr('10.5.0.1/24'), cidr('10.6.0.1/32'), cidr('fd00:5::1/64')]);
  await links.removeAddress(device, cidr('10.6.0.1/32'));
  await links.removeAddress(device, cidr('10.6.0.1/32'));
  await links.removeAddress(name('gone'), cidr('10.6.0.1/32'));
  t.notMatch(run('ip', ['address', 'show', device]), /10\.6\.0\.1/);
  await t.rejects(links.addAddress(name('gone'), cidr('10.6.0.1/32')), /no interface gone/);
});

t.test('links and routes of the host are listed', async (t) => {
  const all = await links.list();
  t.same(
    all.map((link) => link.name).sort(),
    ['br-b', 'vc0', 'vc1', 'vh0', 'vh1'],
    'of the kinds that networks are made of',
  );
  const { addresses = [] } = all.find((link) => link.name === 'br-b') ?? {};
  t.strictSame(addresses, (await links.find('br-b'))?.addresses);
  t.match(addresses, [cidr('10.5.0.1/24')]);
  run('ip', ['route', 'add', '192.0.2.0/24', 'via', '10.5.0.9']);
  run('ip', ['route', 'add', 'default', 'via', '10.5.0.9']);
  run('ip', ['route', 'add', '198.51.100.0/24', 'via', '10.5.0.9', 'table', '99']);
  run('ip', ['route', 'add', 'blackhole', '203.0.113.0/24']);
  run('ip', [
    ...['route', 'add', '100.64.0.0/10'],
    ...['nexthop', 'via', '10.5.0.8', 'nexthop', 'via', '10.5.0.9'],
  ]);
  const everything = ['0.0.0.0/0', '::/0'].map(cidr);
  const routes = await links.routesInto(everything);
  const expected = ['10.5.0.0/24', '192.0.2.0/24', '100.64.0.0/10', 'fd00:5::/64'];
  for (const text of expected) {
    t.ok(
      routes.some((route) => route.interface === 'br-b' && sameText(route.destination, text)),
      text,
    );
  }
  t.notOk(
    routes.some((route) => route.destination.prefixLength === 0),
    'no default route',
  );
  for (const text of ['198.51.100.0/24', '203.0.113.0/24']) {
    t.notOk(
      routes.some((route) => sameText(route.destination, text)),
      text,
    );
  }
  const some = await links.routesInto([cidr('192.0.0.0/16'), cidr('100.64.7.0/24')]);
  t.same(some.map((route) => route.destination.address).sort(), ['100.64.0.0', '192.0.2.0']);
});

t.test('addresses, routes and links of others do not count', async (t) => {
  const numbers = Array.from({ length: 2000 }, (_, number) => number);
  const low = (number: number) => `${number >> 8}.${number & 255}`;
  run('ip', ['link', 'add', 'others', 'type', 'bridge']);
  run('ip', ['link', 'set', 'others', 'up']);
  const commands = [
    ...numbers.map((number) => `address add 172.30.${low(number)}/32 dev others`),
    ...numbers.map((number) => `route add 172.29.${low(number)}/32 dev others`),
    ...numbers.slice(0, 300).map((number) => `link add d${number} link others type macvlan`),
  ];
  run('ip', ['-batch', '-'], commands.join('\n'));
  const found = (await links.find('br-b'))?.addresses ?? [];
  t.match(found, [cidr('10.5.0.1/24')]);
  t.ok(found.length < 5);
  t.same((await links.list()).map((link) => link.name).sort(), [
    'br-b',
    'others',
    'vc0',
    'vc1',
    'vh0',
    'vh1',
  ]);
  t.match(await links.routesInto([cidr('172.29.3.7/32')]), [{ interface: 'others' }]);
  t.equal((await links.routesInto([cidr('172.29.0.0/16')])).length, numbers.length);
  await links.remove(name('others'));
});

t.test('many netlink calls at a time are answered each', async (t) => {
  const numbers = Array.from({ length: 150 }, (_, number) => number);
  const found = await Promise.all(numbers.map(() => links.find('br-b')));
  t.ok(found.every((link) => link?.name === 'br-b'));
  const lists = await Promise.all(numbers.slice(0, 10).map(() => links.list()));
  t.ok(lists.every((list) => list.length === 5));
});

t.test('removals at a time share a thread, and each learns its own end', async (t) => {
  const names = Array.from({ length: 6 }, (_, number) => `rm${number}`);
  for (const text of names) await links.create(veth(text, `${text}p`, 'br-b'));
  const results = await Promise.allSettled([
    ...names.map((text) => links.remove(name(text))),
    links.remove(name('rm0')),
    links.remove(name('lo')),
    links.remove(name('gone')),
  ]);
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result] : []));
  t.equal(failures.length, 1);
  t.match(failures[0]?.reason, { code: 'link-failed', message: /interface lo: .*not supported/ });
  for (const text of names) t.equal(await links.find(text), undefined);
});

t.test('the kernel refuses a question with an attribute that it cannot use', async (t) => {
  const socket = new NetlinkSocket(netlinkProtocol.route);
  t.teardown(() => socket.close());
  const question = getLinkRequest('lo');
  t.equal((await socket.request(question)).length, 1);
  // IFLA_MASTER: the kernel does not look for a link by its master.
  const narrower = Buffer.concat([question.body, attribute(10, u32(1))]);
  await t.rejects(socket.request({ ...question, body: narrower }), { code: 'EINVAL' });
});

t.test('a closed netlink socket refuses requests', async (t) => {
  const other = new LinksNetlink();
  const waiting = [other.find('lo'), other.find('lo')];
  other.close();
  other.close();
  for (const call of waiting) await t.rejects(call, /closed/);
  await t.rejects(other.find('lo'), /closed/);
});

function sameText(value: { address: string; prefixLength: number }, text: string): boolean {
  return `${value.address}/${value.prefixLength}` === text;
}
