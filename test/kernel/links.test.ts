import { inFreshNamespace, ipJson, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { LinksNetlink } = await import('../../src/host/netlink/links.js');
const { parseCidr, parseMac } = await import('../../src/core/address.js');
const { parseInterfaceName } = await import('../../src/core/names.js');

const known = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('the test gives a value that does not parse');
  return value;
};
const name = (text: string) => known(parseInterfaceName(text));
const cidr = (text: string) => known(parseCidr(text));
const mac = known(parseMac('02:42:aa:bb:cc:dd'));
const bridge = (text: string, mtu?: number) => ({
  kind: 'bridge' as const,
  name: name(text),
  mac,
  mtu,
});
const veth = (host: string, container: string, bridgeName: string, more: object = {}) => ({
  kind: 'veth' as const,
  names: { host: name(host), container: name(container) },
  bridge: name(bridgeName),
  mtu: undefined,
  hairpin: false,
  ...more,
});
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

t.test('removals at a time share processes, and each learns its own end', async (t) => {
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
