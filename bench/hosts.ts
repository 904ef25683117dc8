/**
 * How learning from other hosts grows: a router tells a host of the networks of 200 others (50 each), the host runs FRR with
 * what `tsbridge frr-config` prints. Times are until the kernel of the host has the routes; memory is what each of FRR's
 * daemons has of its own (Pss) afterwards.
 *
 *   node --import=tsx bench/hosts.ts [--hosts 200] [--networks 50]
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { tsbridge } from '../test/lab/command-line.js';
import { link, pidsOf, startFrr } from '../test/lab/hosts.js';
import { Lab } from '../test/lab/lab.js';

const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: '200' },
    networks: { type: 'string', default: '50' },
  },
});
const hosts = Number(values.hosts);
const networks = Number(values.networks);
const whole = hosts * networks;

/** Host N has 10.N.0.0/16 and 10.N.M.0/26 in it. */
const subnet = (host: number, network: number) => `10.${host}.${network}.0/26`;

const subnetsOf = (host: number) =>
  Array.from({ length: networks }, (_, network) => subnet(host, network));
const all = Array.from({ length: hosts }, (_, host) => subnetsOf(host + 1)).flat();

const router = `
ip prefix-list ALL seq 5 permit 10.0.0.0/8 le 32
route-map ALL permit 10
 match ip address prefix-list ALL
exit
router bgp 65000
 no bgp ebgp-requires-policy
 neighbor link1 interface remote-as external
 neighbor link1 timers connect 1
 address-family ipv4 unicast
  redistribute kernel route-map ALL
 exit-address-family
exit
`;

async function batch(lab: Lab, action: 'add' | 'del', subnets: readonly string[]): Promise<void> {
  const input = subnets.map((each) => `route ${action} ${each} dev others0\n`).join('');
  await lab.exec(['ip', '-batch', '-'], 'host', { input });
}

async function countLearned(lab: Lab): Promise<number> {
  const said = await lab.hostNs('sh', '-c', 'ip route show proto bgp | wc -l');
  return Number(said);
}

/** @returns milliseconds from the beginning of `work` until the host has learned so many routes */
async function until(lab: Lab, count: number, work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  while ((await countLearned(lab)) !== count) {
    if (performance.now() - start > 120_000) throw new Error(`no ${count} routes in 120 s`);
    await sleep(5);
  }
  return performance.now() - start;
}

async function memory(lab: Lab): Promise<string> {
  const found = await Promise.all(
    ['zebra', 'bgpd'].map(async (name) => {
      const [pid] = await pidsOf(lab, name);
      const text = readFileSync(lab.path(`/proc/${pid}/smaps_rollup`), 'utf8');
      const kilobytes = Number(/^Pss:\s+(\d+)/m.exec(text)?.[1]);
      return `${name} ${(kilobytes / 1_024).toFixed(0)} MB`;
    }),
  );
  return found.join(', ');
}

const tell = (what: string, value: string) => process.stdout.write(`| ${what} | ${value} |\n`);
const ms = (value: number) => `${value.toFixed(0)} ms`;

const options = { suite: 'bookworm-frr', dockerd: false, forwarding: true } as const;
const [host, others] = await Promise.all([Lab.create(options), Lab.create(options)]);
try {
  await link([host, 'link0'], [others, 'link1']);
  await others.hostNs('ip', 'link', 'add', 'others0', 'type', 'bridge');
  await others.hostNs('ip', 'link', 'set', 'others0', 'up');
  const flags = ['--as=65001', '--interface=link0', '--pool=10.250.1.0/24'];
  const { out, err } = await tsbridge(host, 'frr-config', 'bgp', ...flags);
  if (out === '') throw new Error(err);
  await Promise.all([startFrr(host, 'bgpd', out), startFrr(others, 'bgpd', router)]);
  tell(
    'first route, from the start of FRR',
    ms(await until(host, 1, () => batch(others, 'add', ['10.251.0.0/26']))),
  );
  tell('memory with one route', await memory(host));
  tell(`${whole} routes`, ms(await until(host, whole + 1, () => batch(others, 'add', all))));
  tell('memory with them', await memory(host));
  const more = ['10.252.0.0/26'];
  tell('one more', ms(await until(host, whole + 2, () => batch(others, 'add', more))));
  tell('it goes', ms(await until(host, whole + 1, () => batch(others, 'del', more))));
  tell(
    `a host with its ${networks} networks goes`,
    ms(await until(host, whole + 1 - networks, () => batch(others, 'del', subnetsOf(1)))),
  );
  const start = performance.now();
  await tsbridge(host, 'doctor', '--quiet');
  tell('tsbridge doctor there', ms(performance.now() - start));
  tell(
    'the link goes, and all routes',
    ms(
      await until(host, 0, async () => {
        await host.hostNs('ip', 'link', 'set', 'link0', 'down');
      }),
    ),
  );
  tell(
    'the link is back, and all routes',
    ms(
      await until(host, whole + 1 - networks, async () => {
        await host.hostNs('ip', 'link', 'set', 'link0', 'up');
      }),
    ),
  );
} finally {
  await Promise.all([host.dispose(), others.dispose()]);
}
