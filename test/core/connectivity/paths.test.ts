/** Which connections should work, by option and generation; `test/kernel/connectivity.test.ts` holds it against real ones. */
import t from 'tap';
import { describePath, type HostSettings } from '../../../src/core/connectivity/path.js';
import { pathsOf } from '../../../src/core/connectivity/paths.js';
import { generationNames } from '../../../src/core/generations/generation.js';
import type { NetworkSpec } from '../../../src/core/network/network.js';
import { bridgeLabel, networkSpec } from '../../fakes/inputs.js';
import { GoldenFile } from '../../golden/golden-file.js';

const golden = new GoldenFile('connectivity');
const host: HostSettings = {
  ipv6: true,
  forwardDrops: { 4: true, 6: true },
  bridgeFiltered: { 4: false, 6: false },
};
const ipv6 = [{ pool: 'fd00:5::/64', gateway: 'fd00:5::1/64' }];
const labelled = (labels: Readonly<Record<string, unknown>>): NetworkSpec =>
  networkSpec({ labels, ipv6 });
const both = (mode: string) => ({
  [bridgeLabel('gateway_mode_ipv4')]: mode,
  [bridgeLabel('gateway_mode_ipv6')]: mode,
});
const plain = labelled({});
const internal = { 'com.docker.network.internal': true };

const networks: Readonly<Record<string, NetworkSpec>> = {
  'no options': plain,
  'IPv4 alone': networkSpec(),
  'enable_icc=false': labelled({ [bridgeLabel('enable_icc')]: 'false' }),
  'tsbridge.port_isolation': labelled({ 'tsbridge.port_isolation': 'true' }),
  '--internal': networkSpec({ ipv6, options: internal }),
  'mode isolated': networkSpec({ ipv6, options: internal, labels: both('isolated') }),
  'mode routed': labelled(both('routed')),
  'mode nat-unprotected': labelled(both('nat-unprotected')),
  'enable_ip_masquerade=false': labelled({ [bridgeLabel('enable_ip_masquerade')]: 'false' }),
  host_ipv4: labelled({ 'com.docker.network.host_ipv4': '192.0.2.1' }),
  'host_binding_ipv4=127.0.0.1': labelled({ [bridgeLabel('host_binding_ipv4')]: '127.0.0.1' }),
  'host_binding_ipv4=192.0.2.1': labelled({ [bridgeLabel('host_binding_ipv4')]: '192.0.2.1' }),
  'host_binding_ipv4=0.0.0.0': labelled({ [bridgeLabel('host_binding_ipv4')]: '0.0.0.0' }),
  'without the userland proxy': { ...plain, userlandProxy: false },
  'without the userland proxy, enable_icc=false': { ...plain, userlandProxy: false, icc: false },
  '--allow-direct-routing': { ...plain, allowDirectRouting: true },
  inhibit_ipv4: labelled({ [bridgeLabel('inhibit_ipv4')]: 'true' }),
  'rules of IPv4 alone': { ...plain, ruleFamilies: [4] },
};

function listing(network: NetworkSpec, generation: (typeof generationNames)[number], of = host) {
  return pathsOf(network, generation, of).map((path) => {
    const { expected, because } = path;
    const answer = expected.answer ? `yes, seen: ${expected.seen}` : 'no';
    return `${describePath(path)}: ${answer} (${because})`;
  });
}

for (const [title, network] of Object.entries(networks)) {
  t.test(`what works with ${title}`, async (t) => {
    for (const generation of generationNames) {
      const section = `${title}, ${generation}`;
      const found = listing(network, generation);
      t.strictSame(found, golden.expected(section, found), section);
    }
  });
}

t.test('settings of the host change what is expected, and nothing else does', async (t) => {
  const changed = (
    network: NetworkSpec,
    name: 'docker20' | 'docker28',
    of: Partial<HostSettings>,
  ) => {
    const before = listing(network, name);
    return listing(network, name, { ...host, ...of }).filter((line) => !before.includes(line));
  };
  t.strictSame(
    changed(plain, 'docker20', { forwardDrops: { 4: false, 6: true } }),
    [
      "outside → container's own address, port not published, tcp, IPv4: yes, seen: itself " +
        '(the policy of FORWARD is ACCEPT, and this generation closes no ports)',
    ],
    'an open policy opens ports of older engines',
  );
  t.strictSame(changed(plain, 'docker28', { forwardDrops: { 4: false, 6: false } }), []);
  t.strictSame(
    changed({ ...plain, userlandProxy: false }, 'docker20', {
      bridgeFiltered: { 4: true, 6: false },
    }),
    ['container → published port, tcp, IPv4: yes, seen: any (rules lead it to the neighbour)'],
  );
  t.match(listing(networkSpec(), 'docker28').at(-1), /IPv6: yes, seen: gateway/);
  t.notMatch(listing(networkSpec(), 'docker28', { ...host, ipv6: false }), /IPv6/);
});

t.test('every section of the golden file is asked for', async (t) => {
  t.strictSame(golden.finish(), []);
});
