/** Sources that reach containers at their own addresses, in each generation. */
import t from 'tap';
import { generations } from '../../../../src/core/generations/all.js';
import { messageFrom, networkSpec } from '../../../fakes/inputs.js';
import { makeEndpoint, makeNetwork } from '../../../golden/golden.js';

const settings = { userlandProxy: true };
const option = { 'tsbridge.accept_from': '172.16.0.0/12, dev:wg0' };
const plain = makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1');
const open = makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', option);
const endpoint = makeEndpoint(open, '10.6.0.2/24');

type Name = keyof typeof generations;
function added(name: Name, family: 4 | 6) {
  const texts = (network: typeof open) =>
    [
      ...generations[name].networkRules(network, family, settings),
      ...generations[name].endpointRules(network, endpoint, family),
    ].map(({ place, rule }) => `${place} ${rule.table} ${rule.chain} ${rule.text}`);
  const without = texts(plain);
  const all = texts(open);
  t.same(
    all.filter((text) => without.includes(text)),
    without,
    `${name}: Docker's rules and their order are as they were`,
  );
  return { all, added: all.filter((text) => !without.includes(text)) };
}

const accepts = (chain: string) => [
  `top filter ${chain} -s 172.16.0.0/12 ! -i br-x -o br-x -j TSBRIDGE-ACCEPT`,
  `top filter ${chain} -i wg0 -o br-x -j TSBRIDGE-ACCEPT`,
];
const raw = [
  'end raw PREROUTING -s 172.16.0.0/12 -d 10.6.0.2/32 -j TSBRIDGE-ACCEPT',
  'end raw PREROUTING -d 10.6.0.2/32 -i wg0 -j TSBRIDGE-ACCEPT',
];
for (const [name, expected] of [
  ['docker17', accepts('FORWARD')],
  ['docker20', accepts('FORWARD')],
  ['docker28', [...accepts('DOCKER'), ...raw]],
  ['docker29', [...accepts('DOCKER'), ...raw]],
] as const) {
  t.test(`${name}: the sources are accepted before anything drops them`, async (t) => {
    const found = added(name, 4);
    t.same(found.added, expected);
    const drop = found.all.findIndex((text) => /^end raw .*-j DROP/.test(text));
    if (drop >= 0) t.ok(found.all.lastIndexOf(raw[1] ?? '') < drop);
    t.same(added(name, 6).added, []);
  });
}

t.test('what cannot be is refused, all at once', async (t) => {
  const refused = (labels: Record<string, string>, internal = false) =>
    messageFrom(() =>
      networkSpec({ labels, options: internal ? { 'com.docker.network.internal': true } : {} }),
    );
  const sources = 'fd00::/8,10.5.0.0/24,10.5.0.128/25,172.16.0.1/12,dev:a b';
  t.match(
    refused({ 'tsbridge.accept_from': sources }, true),
    /6 problems: .*did you mean 172.16.0.0\/12\?.*not an interface name behind dev:.*cannot go with --internal.*fd00::\/8: the network has no IPv6.*10.5.0.0\/24 is in the network's own subnet.*10.5.0.128\/25 is in/,
  );
  t.match(
    refused({ ...option, 'tsbridge.iptables': 'false' }),
    /172.16.0.0\/12 needs a rule, and tsbridge.iptables=false writes none; leave one out/,
  );
  const lan = { 'com.docker.network.bridge.name': 'br-lan', 'tsbridge.bridge': 'unmanaged' };
  t.match(
    refused({ ...lan, ...option }),
    /tsbridge.accept_from cannot go with tsbridge.bridge=unmanaged/,
  );
  for (const wider of ['0.0.0.0/0', '10.0.0.0/8']) {
    t.equal(
      networkSpec({ labels: { 'tsbridge.accept_from': wider } }).acceptFrom?.length,
      1,
      wider,
    );
  }
  t.notOk('acceptFrom' in networkSpec());
});
