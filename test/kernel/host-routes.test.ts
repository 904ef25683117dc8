/** Routes with our protocol number, as `ip route` lists them. */
import { connectionError, inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();
const { writeFileSync } = await import('node:fs');
const { setTimeout } = await import('node:timers/promises');
const { default: t } = await import('tap');
const { HostRoutesNetlink } = await import('../../src/host/netlink/host-routes.js');
const { Monitor } = await import('../../src/host/monitor.js');
const { SandboxRoutesNetlink } = await import('../../src/host/netlink/sandbox-routes.js');
const { loadLibc } = await import('../../src/host/process/libc.js');
const { planContainerRoutes } = await import('../../src/core/network/container-routes.js');
const { NeighboursNetlink } = await import('../../src/host/netlink/neighbours.js');
const { RecordingLog } = await import('../fakes/recording-log.js');
const { parseCidr, parseIp } = await import('../../src/core/address.js');
const { routeText } = await import('../../src/core/network/routes.js');
type HostRoute = import('../../src/core/network/routes.js').HostRoute;

const kernel = new HostRoutesNetlink();
t.teardown(() => kernel.close());
const route = (prefix: string, rest: Record<string, string> = {}): HostRoute => ({
  destination: parseCidr(prefix) as never,
  ...(rest.via === undefined ? {} : { via: parseIp(rest.via) as never }),
  ...(rest.device === undefined ? {} : { device: rest.device as never }),
  ...(rest.source === undefined ? {} : { source: parseIp(rest.source) as never }),
});
const lines = (text: string) =>
  text
    .split('\n')
    .map((line) => line.trim().replace(/ (linkdown|pref medium)/g, ''))
    .filter((line) => line !== '')
    .sort();
const shown = () => [
  ...lines(run('ip', ['route', 'show', 'proto', '201'])),
  ...lines(run('ip', ['-6', 'route', 'show', 'proto', '201'])),
];
const listed = async () => (await kernel.list()).map(routeText).sort();

run('ip', ['link', 'set', 'lo', 'up']);
run('ip', ['link', 'add', 'br-r', 'up', 'type', 'bridge']);
run('ip', ['address', 'add', '10.5.0.1/24', 'dev', 'br-r']);
run('ip', ['address', 'add', 'fd00:5::1/64', 'dev', 'br-r', 'nodad']);
run('ip', ['route', 'add', '10.1.0.0/24', 'via', '10.5.0.9']);

t.test('routes are made, listed and removed, and those of others are not ours', async (t) => {
  const routes = [
    route('10.9.0.0/24', { via: '10.5.0.7' }),
    route('10.88.0.0/24', { via: '10.5.0.2', device: 'br-r' }),
    route('10.5.0.2/32', { device: 'br-r' }),
    route('10.6.0.0/24', { device: 'br-r', source: '10.5.0.1' }),
    route('fd00:88::/64', { via: 'fd00:5::2', device: 'br-r' }),
    route('fd00:5::2/128', { device: 'br-r' }),
  ];
  for (const each of routes) await kernel.add(each);
  t.strictSame(shown(), [
    '10.5.0.2 dev br-r scope link',
    '10.6.0.0/24 dev br-r scope link src 10.5.0.1',
    '10.88.0.0/24 via 10.5.0.2 dev br-r onlink',
    '10.9.0.0/24 via 10.5.0.7 dev br-r',
    'fd00:5::2 dev br-r metric 1024',
    'fd00:88::/64 via fd00:5::2 dev br-r metric 1024 onlink',
  ]);
  t.strictSame(await listed(), [
    '10.5.0.2/32 dev br-r',
    '10.6.0.0/24 dev br-r src 10.5.0.1',
    '10.88.0.0/24 via 10.5.0.2 dev br-r',
    '10.9.0.0/24 via 10.5.0.7 dev br-r',
    'fd00:5::2/128 dev br-r',
    'fd00:88::/64 via fd00:5::2 dev br-r',
  ]);
  for (const each of await kernel.list()) await kernel.remove(each);
  t.strictSame(shown(), []);
  await kernel.remove({ ...route('10.9.0.0/24', { via: '10.5.0.7' }), device: undefined });
  await kernel.remove({ ...route('10.9.0.0/24'), device: 'gone' });
  await kernel.remove({ ...route('10.1.0.0/24', { via: '10.5.0.9' }), device: undefined });
  t.match(run('ip', ['route', 'show', '10.1.0.0/24']), /via 10.5.0.9/, 'not ours, so it stays');
});

t.test(
  'routes of other types and with other metrics are listed as they are, and removed',
  async (t) => {
    const ours = ['proto', '201'];
    for (const type of ['blackhole', 'unreachable', 'prohibit', 'throw', 'local']) {
      for (const prefix of ['10.9.0.0/24', 'fd00:9::/64']) {
        const device = type === 'local' ? ['dev', 'br-r', 'table', 'main'] : [];
        run('ip', ['route', 'add', type, prefix, ...device, ...ours]);
      }
      t.match(await listed(), [
        new RegExp(`^${type} 10.9.0.0/24`),
        new RegExp(`^${type} fd00:9::/64`),
      ]);
      await t.rejects(kernel.add(route('10.9.0.0/24', { via: '10.5.0.7' })), {
        code: 'route-exists',
      });
      for (const each of await kernel.list()) await kernel.remove(each);
      t.strictSame(await listed(), [], type);
      t.notMatch(`${run('ip', ['route'])}${run('ip', ['-6', 'route'])}`, /10.9.0.0|fd00:9:/);
    }
    const wanted = [
      route('10.9.0.0/24', { via: '10.5.0.7', device: 'br-r' }),
      route('fd00:9::/64', { via: 'fd00:5::7', device: 'br-r' }),
    ];
    for (const each of wanted) {
      const { address, prefixLength } = each.destination;
      const words = ['via', String(each.via), 'dev', 'br-r', 'metric', '50'];
      run('ip', ['route', 'add', `${address}/${prefixLength}`, ...words, ...ours]);
      await kernel.add(each);
    }
    const texts = wanted.map(routeText);
    t.strictSame(
      await listed(),
      texts.flatMap((text) => [text, `${text} metric 50`]),
    );
    for (const each of wanted) await kernel.remove({ ...each, device: each.device });
    t.strictSame(
      await listed(),
      texts.map((text) => `${text} metric 50`),
      'not the other one',
    );
    for (const each of await kernel.list()) await kernel.remove(each);
    t.strictSame(shown(), []);
  },
);

t.test('what the kernel refuses is said with what to do', async (t) => {
  await t.rejects(kernel.add(route('10.1.0.0/24', { via: '10.5.0.7' })), {
    code: 'route-exists',
    message:
      /adding the route to 10.1.0.0\/24 via 10.5.0.7: .*EEXIST.*not ours.*leave this one out/s,
  });
  await t.rejects(kernel.add(route('10.2.0.0/24', { via: '192.0.2.7' })), {
    code: 'route-failed',
    message: /no interface leads to the next hop/,
  });
  await t.rejects(kernel.add(route('10.2.0.0/24', { device: 'br-none' })), {
    message: /there is no interface br-none/,
  });
});

t.test('the removal of ours is heard, and no route of others', async (t) => {
  const heard: string[] = [];
  const monitor = new Monitor(
    undefined,
    ({ kind }) => void (kind === 'routes' && heard.push(kind)),
    new RecordingLog(),
  );
  monitor.start();
  t.teardown(() => monitor.stop());
  await kernel.add(route('10.9.0.0/24', { via: '10.5.0.7' }));
  run('ip', ['route', 'add', '10.3.0.0/24', 'via', '10.5.0.9']);
  run('ip', ['route', 'del', '10.3.0.0/24']);
  run('ip', ['route', 'del', '10.9.0.0/24']);
  for (let wait = 0; wait < 100 && heard.length === 0; wait += 1) await setTimeout(100);
  t.strictSame(heard, ['routes'], 'one report passes the filter');
});

t.test('routes inside of a sandbox, as soon as the interface is up there', async (t) => {
  const libc = loadLibc();
  const inside = new SandboxRoutesNetlink(libc);
  t.teardown(() => inside.close());
  run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
  run('ip', ['netns', 'add', 'box']);
  run('ip', ['link', 'add', 'veth-h', 'up', 'type', 'veth', 'peer', 'name', 'veth-c']);
  const [box, host] = ['/run/netns/box', 'veth-h' as never];
  const ip = (...args: readonly string[]) => run('ip', ['-n', 'box', ...args]);
  const shownInside = () => [
    ...lines(ip('route', 'show', 'proto', '201')),
    ...lines(ip('-6', 'route', 'show', 'proto', '201')),
  ];
  const desired = [
    { ...route('0.0.0.0/0', { via: '10.5.0.1' }), metric: 100 },
    { ...route('10.9.0.0/24', { via: '10.5.0.9' }), metric: 50 },
    { ...route('10.8.0.0/24'), metric: 4_294_967_295 },
    { ...route('10.0.0.0/8'), refusal: 'blackhole' },
    { ...route('10.1.0.0/16'), refusal: 'unreachable', metric: 3 },
    { ...route('fd00:1::/64'), refusal: 'prohibit' },
    { ...route('::/0', { via: 'fd00:5::1' }), metric: 7 },
  ] as const;
  const repair = async () => {
    const observed = await inside.observe(box, host);
    const steps = planContainerRoutes(desired, observed ?? []);
    if (observed !== undefined) await inside.apply(box, host, steps);
    return observed && steps.length;
  };
  t.equal(inside.obstacle(), undefined);
  t.equal(await repair(), undefined, 'the interface is not there');
  run('ip', ['link', 'set', 'veth-c', 'netns', 'box']);
  t.equal(await repair(), undefined, 'it is not up');
  ip('link', 'set', 'veth-c', 'name', 'eth0');
  ip('address', 'add', '10.5.0.2/24', 'dev', 'eth0');
  ip('address', 'add', 'fd00:5::2/64', 'dev', 'eth0', 'nodad');
  ip('link', 'set', 'eth0', 'up');
  t.equal(await repair(), desired.length);
  const all = [
    '10.8.0.0/24 dev eth0 scope link metric 4294967295',
    '10.9.0.0/24 via 10.5.0.9 dev eth0 metric 50 onlink',
    'blackhole 10.0.0.0/8',
    'default via 10.5.0.1 dev eth0 metric 100 onlink',
    'unreachable 10.1.0.0/16 metric 3',
    'default via fd00:5::1 dev eth0 metric 7 onlink',
    'prohibit fd00:1::/64 dev lo metric 1024',
  ];
  t.strictSame(shownInside(), all);
  t.equal(await repair(), 0, 'all of it is found again');
  ip('route', 'replace', '10.9.0.0/24', 'via', '10.5.0.8', 'metric', '50', 'proto', '201');
  ip('route', 'del', 'blackhole', '10.0.0.0/8');
  ip('-6', 'route', 'flush', 'proto', '201');
  ip('route', 'add', '10.7.0.0/24', 'via', '10.5.0.9', 'proto', '201');
  t.equal(await repair(), 5);
  t.strictSame(shownInside(), all.toSpliced(0, 0, '10.7.0.0/24 via 10.5.0.9 dev eth0'));
  const refused = { ...route('10.6.0.0/24', { via: '10.5.0.9' }), metric: 5 };
  ip('route', 'add', '10.6.0.0/24', 'via', '10.5.0.8', 'metric', '5');
  await t.rejects(inside.apply(box, host, [{ kind: 'add', route: refused }]), {
    code: 'route-exists',
    message: /add the route 10.6.0.0\/24 via 10.5.0.9 metric 5 inside .*EEXIST.*not ours/,
  });
  await inside.apply(box, host, [
    { kind: 'remove', route: desired[3] },
    { kind: 'remove', route: desired[3] },
  ]);
  t.notOk(shownInside().includes('blackhole 10.0.0.0/8'));
  ip('link', 'set', 'eth0', 'netns', String(process.pid));
  const surviving = ['unreachable 10.1.0.0/16 metric 3', 'prohibit fd00:1::/64 dev lo metric 1024'];
  t.strictSame(shownInside(), surviving);
  for (let time = 0; time < 2; time += 1) {
    await inside.removeRefusals(box, [desired[4], desired[5]]);
    t.strictSame(shownInside(), [], 'also without the interface');
  }
  await inside.removeRefusals('/run/netns/none', [desired[4]]);
  run('ip', ['link', 'set', 'eth0', 'netns', 'box']);
  ip('link', 'set', 'eth0', 'up');
  t.strictSame(shown(), [], 'nothing of it is on the host');
  t.equal(await inside.observe('/run/netns/none', host), undefined);
  t.equal(await inside.observe(box, 'veth-none' as never), undefined);
  const forbidden = () => {
    throw new Error('operation not permitted (EPERM)');
  };
  const unit = new SandboxRoutesNetlink({ ...libc, setNetworkNamespace: forbidden });
  t.teardown(() => unit.close());
  t.match(unit.obstacle(), /may not enter containers \(operation not permitted .*CAP_SYS_ADMIN/);
});

t.test('the host answers neighbours for a container', async (t) => {
  const neighbours = new NeighboursNetlink(loadLibc());
  t.teardown(() => neighbours.close());
  t.equal(await neighbours.uplink(6), undefined);
  t.equal(await neighbours.uplink(4), undefined);
  run('ip', ['netns', 'add', 'lan']);
  run('ip', ['link', 'add', 'up0', 'up', 'type', 'veth', 'peer', 'name', 'lan0']);
  run('ip', ['link', 'set', 'lan0', 'netns', 'lan']);
  const at = (namespace: string, ...args: string[]) => run('ip', ['-n', namespace, ...args]);
  at('lan', 'address', 'add', 'fd00:6::99/64', 'dev', 'lan0', 'nodad');
  at('lan', 'link', 'set', 'lan0', 'up');
  run('ip', ['address', 'add', 'fd00:6::1/64', 'dev', 'up0', 'nodad']);
  run('ip', ['route', 'add', 'default', 'via', 'fd00:6::99']);
  t.equal(await neighbours.uplink(6), 'up0');
  // The container's subnet is a part of what the LAN takes for its own link.
  run('ip', ['address', 'add', 'fd00:6:0:0:c::1/80', 'dev', 'br-r', 'nodad']);
  run('ip', ['link', 'set', 'veth-h', 'master', 'br-r']);
  at('box', 'address', 'add', 'fd00:6:0:0:c::2/80', 'dev', 'eth0', 'nodad');
  at('box', '-6', 'route', 'replace', 'default', 'via', 'fd00:6:0:0:c::1', 'metric', '1');
  for (const name of ['conf/all/forwarding', 'conf/up0/proxy_ndp']) {
    writeFileSync(`/proc/sys/net/ipv6/${name}`, '1');
  }
  writeFileSync('/proc/sys/net/ipv6/neigh/up0/proxy_delay', '0');
  const connect = () => connectionError('lan', 'fd00:6:0:0:c::2');
  t.match(connect(), /timeout|EHOSTUNREACH/, 'nobody answers for it');
  const proxy = { address: parseIp('fd00:6:0:0:c::2') as never, device: 'up0' };
  await neighbours.addProxy(proxy);
  await neighbours.addProxy(proxy);
  t.equal(connect(), 'ECONNREFUSED', 'by the container');
  run('ip', ['neigh', 'add', 'proxy', 'fd00:6::77', 'dev', 'up0']);
  t.strictSame(
    [...(await neighbours.proxies())].sort((a, b) => (a.address < b.address ? -1 : 1)),
    [
      { address: 'fd00:6::77', device: 'up0', isOurs: false },
      { address: 'fd00:6::c:0:0:2', device: 'up0', isOurs: true },
    ],
  );
  t.match(run('ip', ['-6', 'neigh', 'show', 'proxy']), /fd00:6::c:0:0:2 dev up0 +proxy proto 201/);
  await neighbours.removeProxy(proxy);
  await neighbours.removeProxy(proxy);
  t.equal((await neighbours.proxies()).length, 1);
  await t.rejects(neighbours.addProxy({ ...proxy, device: 'none' }), {
    message: 'answering for fd00:6::c:0:0:2 dev none: there is no interface none',
  });
});
