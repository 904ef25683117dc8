import { inFreshNamespace, ipJson, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { spawnSync } = await import('node:child_process');
const { openSync, readlinkSync } = await import('node:fs');
const { parseCidr, parseIp, parseMac } = await import('../../src/core/address.js');
const { parseInterfaceName, parseInterfacePrefix } = await import('../../src/core/names.js');
const { loadLibc } = await import('../../src/host/process/libc.js');
const { moveIntoNamespace } = await import('../../src/host/netlink/netns.js');
const { insideNamespace } = await import('../../src/host/netlink/setns.js');

const known = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('the test gives a value that does not parse');
  return value;
};
const name = (text: string) => known(parseInterfaceName(text));
const cidr = (text: string) => known(parseCidr(text));
const ip = (text: string) => known(parseIp(text));
const mac = known(parseMac('02:42:0a:05:00:02'));
const eth = { prefix: known(parseInterfacePrefix('eth')) };
const libc = loadLibc();
const nothing = { addresses: [], routes: [], gateways: [] };
const inside = (...args: readonly string[]) => ipJson('-netns', 'sandbox', ...args);

run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
run('ip', ['netns', 'add', 'sandbox']);
run(
  'ip',
  ['-batch', '-'],
  [
    'link add br0 type bridge',
    'address add 10.5.0.1/24 dev br0',
    'address add fd00:5::1/64 dev br0 nodad',
    'link set br0 up',
    ...[0, 1, 2].flatMap((index) => [
      `link add host${index} master br0 type veth peer name peer${index}`,
      `link set host${index} up`,
    ]),
  ].join('\n'),
);
const own = readlinkSync('/proc/self/ns/net');
const path = '/run/netns/sandbox';

t.afterEach(() => {
  if (readlinkSync('/proc/self/ns/net') !== own) throw new Error('we are in another namespace');
});

/** What a connection from inside the sandbox comes to, e.g. `ECONNREFUSED` by a host that is there. */
function connect(host: string): string {
  const script = `
    const socket = require('node:net').connect({ host: '${host}', port: 9, timeout: 5000 });
    socket.on('error', (error) => console.log(error.code));
    socket.on('timeout', () => socket.destroy(Object.assign(new Error(), { code: 'timeout' })));`;
  const args = ['netns', 'exec', 'sandbox', process.execPath, '--eval', script];
  return run('ip', args).trim();
}

t.test('a peer is moved into a namespace with name, addresses and routes', async (t) => {
  const moved = await moveIntoNamespace(libc, {
    peer: name('peer0'),
    namespacePath: path,
    name: eth,
    mac,
    mtu: 1400,
    addresses: [cidr('10.5.0.2/24'), cidr('fd00:5::2/64')],
    routes: [
      { destination: cidr('192.0.2.0/24'), gateway: ip('10.5.0.9') },
      { destination: cidr('198.51.100.7/32'), gateway: undefined },
      { destination: cidr('2001:db8::/32'), gateway: ip('fd00:5::9') },
    ],
    gateways: [ip('10.5.0.1'), ip('fd00:5::1')],
  });
  t.equal(moved, 'eth0');
  const [link] = inside('address', 'show', 'eth0');
  t.match(link, { address: mac, mtu: 1400, operstate: 'UP' });
  t.match(link?.addr_info, [
    { local: '10.5.0.2', prefixlen: 24, broadcast: '10.5.0.255' },
    { local: 'fd00:5::2', prefixlen: 64, nodad: true },
  ]);
  t.match(inside('address', 'show', 'lo')[0]?.addr_info, [{ local: '127.0.0.1' }]);
  const routes = [...inside('route'), ...inside('-6', 'route')];
  for (const expected of [
    { dst: 'default', gateway: '10.5.0.1', dev: 'eth0' },
    { dst: '192.0.2.0/24', gateway: '10.5.0.9' },
    { dst: '198.51.100.7', scope: 'link' },
    { dst: 'default', gateway: 'fd00:5::1' },
    { dst: '2001:db8::/32', gateway: 'fd00:5::9' },
  ]) {
    t.ok(
      routes.some((route) =>
        Object.entries(expected).every(([key, value]) => route[key] === value),
      ),
      JSON.stringify(expected),
    );
  }
  for (const address of ['10.5.0.1', 'fd00:5::1']) {
    t.equal(connect(address), 'ECONNREFUSED', `${address} is reached`);
  }
});

t.test('a peer gets the lowest free index after its prefix', async (t) => {
  const request = { ...nothing, peer: name('peer1'), namespacePath: path, name: eth };
  run('ip', ['-netns', 'sandbox', 'link', 'add', 'eth2', 'type', 'bridge']);
  t.equal(await moveIntoNamespace(libc, request), 'eth1');
  t.equal(await moveIntoNamespace(libc, { ...request, peer: name('peer2') }), 'eth3');
  run('ip', ['-netns', 'sandbox', 'link', 'set', 'eth3', 'netns', String(process.pid)]);
  run('ip', ['link', 'set', 'eth3', 'name', 'peer2']);
});

t.test('failures say why, and leave the peer where it was', async (t) => {
  const request = { ...nothing, peer: name('peer2'), namespacePath: path, name: eth };
  const cases: readonly (readonly [object, RegExp])[] = [
    [
      { namespacePath: '/run/netns/none' },
      /peer2 into namespace \/run\/netns\/none: open .*no such file/,
    ],
    [{ namespacePath: '/proc/self/status' }, /status: this file is not a network namespace/],
    [{ namespacePath: '/proc/self/ns/uts' }, /uts: this file is not a network namespace/],
    [{ namespacePath: '/proc/self/ns/net' }, /the daemon's own namespace/],
    [{ name: { exactly: name('eth0') } }, /the name eth0 is taken there/],
    [{ peer: name('gone') }, /interface gone .*the interface gone went away/],
    [
      { addresses: [cidr('10.7.0.2/24')], gateways: [ip('10.8.0.1')] },
      /adding the route to 0\.0\.0\.0\/0 via 10\.8\.0\.1: .*ENETUNREACH.*next hop/,
    ],
    [{ mtu: 9, mac }, /setting MAC address and MTU: .*EINVAL/],
    [
      { addresses: [cidr('10.7.0.2/24'), cidr('10.7.0.2/24')] },
      /adding address 10\.7\.0\.2\/24: .*EEXIST/,
    ],
  ];
  for (const [change, message] of cases) {
    await t.rejects(
      moveIntoNamespace(libc, { ...request, ...change }),
      { code: 'link-failed', message },
      JSON.stringify(change),
    );
    t.match(ipJson('link', 'show', 'peer2')[0], { ifname: 'peer2', operstate: 'DOWN' });
    t.same(ipJson('address', 'show', 'peer2')[0]?.addr_info, []);
  }
  t.same(
    inside('link').map((link) => link.ifname),
    ['lo', 'eth2', 'eth0', 'eth1'],
    'nothing more is there',
  );
});

t.test('work that throws inside of a namespace comes back too', async (t) => {
  const fd = openSync(path, 'r');
  const other = insideNamespace(libc, fd, () => readlinkSync('/proc/self/ns/net'));
  t.not(other, own);
  const work = () => {
    throw new Error('inside');
  };
  t.throws(() => insideNamespace(libc, fd, work), /inside/);
});

t.test('a process that cannot come back is aborted', async (t) => {
  const module = new URL('../../src/host/netlink/setns.ts', import.meta.url).href;
  const script = `
    const { insideNamespace } = await import(${JSON.stringify(module)});
    let calls = 0;
    const libc = { setNetworkNamespace() { if ((calls += 1) === 2) throw new Error('no way'); } };
    insideNamespace(libc, 0, () => undefined);
    console.log('went on');`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const result = spawnSync(
    'bash',
    ['-c', 'ulimit -c 0; exec "$0" "$@"', process.execPath, ...args],
    {
      encoding: 'utf8',
    },
  );
  t.equal(result.signal, 'SIGABRT');
  t.match(result.stderr, /cannot return to its network namespace: no way/);
  t.equal(result.stdout, '');
});
