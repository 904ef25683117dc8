/**
 * Three hosts that tell each other of their networks by FRR, with what `tsbridge frr-config` prints: 20.10 with FRR 8.4,
 * 28.5 with FRR 10, and a plain one. Comments tell how long each took; nothing here depends on it.
 */
import t from 'tap';
import type { DoctorItem } from '../../src/cli/schemas/doctor.js';
import { checks } from '../../src/core/doctor/checks.js';
import { tsbridge } from '../lab/command-line.js';
import { SKIP_BUILT_IN } from '../lab/fixture.js';
import {
  connectToSwitch,
  KernelNews,
  link,
  pidsOf,
  printRouting,
  startFrr,
  stopFrr,
  untilAnswered,
  untilLearned,
} from '../lab/hosts.js';
import { Lab } from '../lab/lab.js';
import { until } from '../lab/process.js';
import { itemsOf } from '../process/documents.js';

/** Ranges of the hosts, and within it the network that each of both engines makes first. */
const all = '10.9.0.0/16';
const plainAddress = '10.9.3.1';
const open = [`tsbridge.accept_from=${all}`, `tsbridge.no_masquerade_to=${all}`];
const options = (...list: readonly string[]) => list.flatMap((option) => ['-o', option]);
const bridge = '--opt=com.docker.network.bridge.name=br-app';

/** What `tsbridge doctor` says of FRR on a host: code, object, and evidence. */
async function doctor(lab: Lab): Promise<string[]> {
  const codes = checks.map(({ code }) => code).filter((code) => code.startsWith('frr-'));
  const { out, err } = await tsbridge(lab, 'doctor', ...codes, '--json');
  if (out === '') throw new Error(err);
  return itemsOf<DoctorItem>(out)
    .filter(({ followsFrom }) => followsFrom === null)
    .map(({ code, object, evidence }) => `${code} | ${object} | ${evidence}`);
}

/** A router as others have one: nothing of tsbridge is in its configuration. */
const router = `
router bgp 65000
 no bgp ebgp-requires-policy
 neighbor link1 interface remote-as external
 neighbor link1 timers connect 1
 neighbor link2 interface remote-as external
 neighbor link2 timers connect 1
 address-family ipv4 unicast
  network ${plainAddress}/32
 exit-address-family
exit
`;

async function config(lab: Lab, ...args: string[]): Promise<string> {
  const { out, err, code } = await tsbridge(lab, 'frr-config', ...args);
  if (code !== 0) throw new Error(err);
  return out;
}

async function hosts() {
  const engine = (suite: 'bookworm-frr' | 'forky-frr', pool: string) =>
    Lab.create({
      suite,
      // docker0 of the built-in driver is not to take the first subnet of the range.
      dockerdArgs: [`--default-address-pool=base=${pool},size=26`, '--bip=172.17.0.1/16'],
    });
  const made = await Promise.allSettled([
    engine('bookworm-frr', '10.9.1.0/24'),
    engine('forky-frr', '10.9.2.0/24'),
    Lab.create({ suite: 'bookworm-frr', dockerd: false, forwarding: true }),
  ]);
  const labs = made.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const dispose = async () => {
    await Promise.all(labs.map((lab) => lab.dispose()));
  };
  const [one, two, plain] = labs;
  if (one === undefined || two === undefined || plain === undefined) {
    await dispose();
    throw new Error(made.map((each) => (each.status === 'rejected' ? each.reason : '')).join());
  }
  return { one, two, plain, dispose };
}

t.test('hosts that know of each other’s networks', { skip: SKIP_BUILT_IN }, async (t) => {
  const { one, two, plain, dispose } = await hosts();
  t.teardown(async () => {
    await Promise.all(news.map((each) => each.close()));
    if (!t.passing()) await printRouting([one, two, plain]);
    await dispose();
  });
  await Promise.all([one.spawnTsbridge(), two.spawnTsbridge()]);
  await link([one, 'link0'], [plain, 'link1']);
  await link([two, 'link0'], [plain, 'link2']);
  // Its own packets are to have the address that the others learn.
  await plain.hostNs('ip', 'addr', 'flush', 'dev', 'eth0');
  await plain.hostNs('ip', 'addr', 'add', `${plainAddress}/32`, 'dev', 'lo');
  const news = [new KernelNews(one, 1), new KernelNews(two, 2)] as const;
  /**
   * Does something to the first host, waits for what the second one learns of it, and tells how long that took. Without
   * `does`, it is about what was done last.
   */
  const timed = async (
    what: string,
    {
      does,
      begins,
      ends,
      wait,
    }: Record<'begins' | 'ends', RegExp> & {
      readonly does?: () => Promise<unknown>;
      wait(): Promise<unknown>;
    },
  ) => {
    if (does !== undefined) {
      for (const each of news) each.forget();
      await does();
    }
    await wait();
    const [begun, ended] = await until(`news of: ${what}`, () => {
      const times = [news[0].when(begins), news[1].when(ends)] as const;
      return times.every((time) => time !== undefined) ? times : undefined;
    });
    t.comment(`${what}: ${Number(ended) - Number(begun)} ms`);
  };
  const answers = (from: Lab, container: string | undefined, to: string, port: number) =>
    from
      .container(container ?? '')
      .catch(() => 'host' as const)
      .then((place) => from.ask(place, to, port, { timeoutMs: 700 }))
      .then(
        ({ peer }) => peer,
        () => 'nobody',
      );
  const untilReached = (what: string) =>
    untilAnswered({
      ask: () => answers(two, 'shop', '10.9.1.2', 80),
      expected: '10.9.2.2',
      what,
      labs: [one, two, plain],
      ends: ['10.9.1.2', '10.9.2.2'],
    });
  const network = (lab: Lab, ...args: string[]) =>
    lab.docker('network', 'create', '-d', 'tsbridge', ...args);

  await t.test('BGP without addresses on the links', async (t) => {
    await Promise.all([
      startFrr(plain, 'bgpd', router),
      startFrr(
        one,
        'bgpd',
        await config(one, 'bgp', '--as=65001', '--interface=link0', '--host-routes=10.88.0.0/16'),
      ),
      startFrr(two, 'bgpd', await config(two, 'bgp', '--as=65002', '--interface=link0')),
    ]);
    const others = [plainAddress];
    await untilLearned(one, 'bgp', others);
    await untilLearned(two, 'bgp', others);

    await network(one, ...options(...open), bridge, 'app');
    await timed('BGP: a new network, from its first container on', {
      does: () => one.run({ name: 'web', network: 'app', serve: ['tcp/80'], publish: ['8080:80'] }),
      begins: /br-app: .*[<,]LOWER_UP/,
      wait: () => untilLearned(two, 'bgp', ['10.9.1.0/26', ...others]),
      ends: /\] 10\.9\.1\.0\/26 /,
    });
    await network(two, ...options(...open), 'app');
    await two.run({ name: 'shop', network: 'app', serve: ['tcp/80'] });
    await untilLearned(one, 'bgp', ['10.9.2.0/26', ...others]);
    await untilReached('its real address');
    t.equal(await answers(one, 'web', '10.9.2.2', 80), '10.9.1.2', 'the other way round');
    t.equal(await answers(plain, undefined, '10.9.1.2', 80), plainAddress, 'of a plain host');
    t.equal(await answers(plain, undefined, '10.9.1.1', 8080), plainAddress, 'a published port');
    t.equal(await answers(two, 'shop', '10.9.1.1', 8080), '10.9.2.2', 'of a container');

    // Everything that is not to be announced, beside one of each that is.
    await one.hostNs('ip', 'route', 'add', '10.99.0.0/24', 'via', '192.0.2.2');
    const subnet = '--subnet=10.9.1.192/26';
    await network(one, 'closed');
    await network(one, ...options('tsbridge.announce=none'), 'hidden');
    await network(one, ...options('tsbridge.announce=addresses'), subnet, 'single');
    await network(one, '--subnet=10.77.0.0/24', 'elsewhere');
    const names = ['closed', 'hidden', 'single', 'elsewhere'];
    for (const name of names) await one.run({ name, network: name, serve: ['tcp/80'] });
    await one.docker('network', 'disconnect', 'single', 'single');
    const behind = ['--driver-opt', 'tsbridge.host_routes=10.88.7.0/24'];
    await one.docker('network', 'connect', ...behind, '--ip', '10.9.1.200', 'single', 'single');
    const whole = [
      ...['10.9.1.0/26', '10.9.1.64/26', '10.9.1.192/26'],
      ...['10.9.1.200', '10.88.7.0/24', plainAddress],
    ];
    await untilLearned(two, 'bgp', whole);
    t.equal(await answers(two, 'shop', '10.9.1.66', 80), 'nobody', 'no accept_from');
    t.equal(await answers(one, 'closed', '10.9.1.2', 80), 'nobody', 'another network of the host');

    t.strictSame(await doctor(one), [
      'frr-range-missing | elsewhere | 10.77.0.0/24 is in none of 10.9.1.0/24',
    ]);
    t.strictSame(await doctor(two), []);

    await timed('BGP: a link goes', {
      does: () => one.hostNs('ip', 'link', 'set', 'link0', 'down'),
      begins: /link0@\S+ .*state DOWN/,
      wait: () => untilLearned(two, 'bgp', others),
      ends: /Deleted 10\.9\.1\.0\/26 /,
    });
    await timed('BGP: the link is back', {
      does: () => one.hostNs('ip', 'link', 'set', 'link0', 'up'),
      begins: /link0@\S+ .*[<,]LOWER_UP/,
      wait: () => untilLearned(two, 'bgp', whole),
      ends: /\] 10\.9\.1\.0\/26 /,
    });
    await untilReached('after the link');

    const [bgpd = ''] = await pidsOf(one, 'bgpd');
    await timed('BGP: bgpd is killed, and gone for the other host after its own routes', {
      does: () => one.hostNs('sh', '-c', `kill -9 ${bgpd}`),
      begins: /Deleted 10\.9\.2\.0\/26 /,
      wait: async () => {}, // Only the kernel's news show it for sure: the routes may be back before anybody looks.
      ends: /Deleted 10\.9\.1\.0\/26 /,
    });
    await timed('BGP: watchfrr has started it anew, since it was killed', {
      begins: /Deleted 10\.9\.2\.0\/26 /,
      wait: () => untilLearned(two, 'bgp', whole, 60_000),
      ends: /\] 10\.9\.1\.0\/26 /,
    });
    await untilReached('after bgpd');

    await one.docker('rm', '-f', ...names);
    await one.docker('network', 'rm', ...names);
    await untilLearned(two, 'bgp', ['10.9.1.0/26', ...others]);
    await network(two, ...options('tsbridge.announce=addresses'), 'quiet');
    const less = ['configure terminal', 'router bgp', 'address-family ipv4 unicast'].concat(
      ...['connected', 'kernel'].map((source) => `no redistribute ${source}`),
    );
    await two.hostNs('vtysh', ...less.flatMap((line) => ['-c', line]));
    t.strictSame(await doctor(two), [
      'frr-addresses-not-announced | quiet | no “redistribute kernel” in FRR’s running configuration',
      'frr-not-announcing | this host | no “redistribute connected” in FRR’s running configuration; 2 networks',
    ]);
    await two.docker('network', 'rm', 'quiet');
    await Promise.all([one, two, plain].map((lab) => stopFrr(lab)));
    t.strictSame(await doctor(one), [
      'frr-not-running | this host | zebra, bgpd does not run; /etc/frr/frr.conf has TSBRIDGE-SUBNETS',
    ]);
    await untilLearned(two, 'bgp', []);
  });

  await t.test('OSPF on one switch', { skip: !t.passing() }, async (t) => {
    await connectToSwitch([
      [plain, '203.0.113.3/24'],
      [one, '203.0.113.1/24'],
      [two, '203.0.113.2/24'],
    ]);
    const start = async (lab: Lab, ...args: string[]) =>
      startFrr(lab, 'ospfd', await config(lab, 'ospf', '--interface=lan0', ...args));
    await Promise.all([start(one), start(two), start(plain, '--pool=10.9.3.0/24')]);
    await untilLearned(two, 'ospf', ['10.9.1.0/26'], 60_000);
    await untilLearned(one, 'ospf', ['10.9.2.0/26'], 60_000);
    await untilReached('its real address, by OSPF');
    const byHost = await answers(two, 'shop', '203.0.113.1', 8080);
    t.equal(byHost, '203.0.113.2', 'a published port; the address of a host is in no range');
    const named = 'com.docker.network.bridge.name=br-more';
    await network(one, ...options(named), '--subnet=10.9.1.64/26', 'more');
    const more = ['10.9.1.0/26', '10.9.1.64/26'];
    await timed('OSPF: a new network, from its first container on', {
      does: () => one.run({ name: 'more', network: 'more' }),
      begins: /br-more: .*[<,]LOWER_UP/,
      wait: () => untilLearned(two, 'ospf', more),
      ends: /\] 10\.9\.1\.64\/26 /,
    });
    // Not by one restart: a kernel that looks at carriers once a second may see none of it, and the route stays.
    await timed('OSPF: its container stops', {
      does: () => one.docker('stop', '-t', '0', 'more'),
      begins: /br-more: .*NO-CARRIER/,
      wait: () => untilLearned(two, 'ospf', ['10.9.1.0/26']),
      ends: /Deleted 10\.9\.1\.64\/26 /,
    });
    await timed('OSPF: its container starts again', {
      does: () => one.docker('start', 'more'),
      begins: /br-more: .*[<,]LOWER_UP/,
      wait: () => untilLearned(two, 'ospf', more),
      ends: /\] 10\.9\.1\.64\/26 /,
    });
    await timed('OSPF: the network is removed', {
      does: async () => {
        await one.docker('rm', '-f', 'more');
        await one.docker('network', 'rm', 'more');
      },
      begins: /br-more: .*NO-CARRIER|Deleted \d+: br-more/,
      wait: () => untilLearned(two, 'ospf', ['10.9.1.0/26']),
      ends: /Deleted 10\.9\.1\.64\/26 /,
    });
    const death = performance.now();
    await two.dispose();
    await untilLearned(one, 'ospf', []);
    t.comment(`OSPF: a host has died: ${(performance.now() - death).toFixed(0)} ms`);
  });
});
