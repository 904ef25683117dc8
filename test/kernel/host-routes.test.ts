/** Routes with our protocol number, as `ip route` lists them. */
import { inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();
const { setTimeout } = await import('node:timers/promises');
const { default: t } = await import('tap');
const { HostRoutesNetlink } = await import('../../src/host/netlink/host-routes.js');
const { Monitor } = await import('../../src/host/monitor.js');
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
