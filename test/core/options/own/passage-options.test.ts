import t from 'tap';
import { passageOf, publishFromWords } from '../../../../src/core/network/passage.js';
import { parseEndpoint } from '../../../../src/core/options/endpoint-options.js';
import { parseNetwork } from '../../../../src/core/options/network-options.js';
import { endpointInput, messageFrom, networkInput, networkSpec } from '../../../fakes/inputs.js';

const label = (name: string, value: string) => ({ [`tsbridge.${name}`]: value });
const refusal = (labels: Record<string, string>, parts = {}) =>
  messageFrom(() => parseNetwork(networkInput({ labels, ...parts }))).replace(/^[^:]+: /, '');
const passageIn = (name: string, value: string) =>
  networkSpec({ labels: label(name, value) }).passage;
const four = (address: string, prefixLength: number) => ({ family: 4, address, prefixLength });

t.test('values of a network', async (t) => {
  t.notOk('passage' in networkSpec());
  t.strictSame(passageIn('egress_ip', '192.0.2.9'), { egressIp: { 4: '192.0.2.9' } });
  t.strictSame(passageIn('egress_ip', 'published'), { egressIp: 'published' });
  t.strictSame(passageIn('publish_from', 'everywhere'), { publishFrom: 'everywhere' });
  t.strictSame(passageIn('publish_from', 'loopback'), { publishFrom: [] });
  t.strictSame(passageIn('publish_from', 'dev:eth1,192.0.2.7,loopback'), {
    publishFrom: [
      { from: 'interface', name: 'eth1' },
      { from: 'network', cidr: four('192.0.2.7', 32) },
    ],
  });
  const { publishFrom } = passageIn('publish_from', 'dev:eth1,192.0.2.7,loopback') ?? {};
  t.strictSame(publishFromWords(publishFrom === 'everywhere' ? [] : (publishFrom ?? [])), [
    'dev:eth1',
    '192.0.2.7/32',
  ]);
  t.strictSame(publishFromWords([]), ['loopback']);
  t.strictSame(
    passageIn('publish_from', '192.0.2.0/24; dev:wg0'),
    passageIn('publish_from', '192.0.2.0/24,dev:wg0'),
    'a semicolon joins, too',
  );
  t.strictSame(
    passageIn('egress_allow', '192.0.2.1:53;192.0.2.2:53'),
    passageIn('egress_allow', '192.0.2.1:53, 192.0.2.2:53'),
  );
  t.strictSame(passageIn('egress_allow', 'any'), { egressAllow: 'any' });
  t.strictSame(passageIn('egress_allow', 'none'), { egressAllow: [] });
  t.strictSame(passageIn('egress_allow', '10.0.0.0/8,192.0.2.7:443,[2001:db8::]:1-2/udp'), {
    egressAllow: [
      { cidr: four('10.0.0.0', 8) },
      { cidr: four('192.0.2.7', 32), ports: { first: 443, last: 443 } },
      {
        cidr: { family: 6, address: '2001:db8::', prefixLength: 128 },
        ports: { first: 1, last: 2 },
        protocol: 'udp',
      },
    ],
  });
  t.strictSame(passageIn('no_masquerade_to', '172.16.0.0/12'), {
    noMasqueradeTo: [four('172.16.0.0', 12)],
  });
  t.strictSame(
    passageIn('publish_from', 'loopback; 192.0.2.7, dev:eth1;192.0.2.7'),
    passageIn('publish_from', 'loopback,192.0.2.7,dev:eth1'),
    'joined with semicolons, as --network name=…,driver-opt=… needs it; each once',
  );
  t.match(refusal(label('egress_ip', '192.0.2.9;192.0.2.10')), /two IPv4 addresses/);
});

t.test('an endpoint has its own in place of the network’s', async (t) => {
  const network = networkSpec({
    labels: { ...label('publish_from', 'loopback'), ...label('egress_allow', 'none') },
  });
  const options = {
    ...label('publish_from', '192.0.2.0/24'),
    ...label('no_masquerade_to', '::/0'),
  };
  const { spec, warnings } = parseEndpoint(endpointInput({ options }), network);
  t.strictSame(passageOf(network, spec), {
    publishFrom: [{ from: 'network', cidr: four('192.0.2.0', 24) }],
    egressAllow: [],
  });
  t.match(warnings, [/no_masquerade_to is not known/], 'a network’s only');
  t.match(
    messageFrom(() =>
      parseEndpoint(endpointInput({ options: label('egress_ip', '::9') }), network),
    ),
    /egress_ip=::9: the network has no IPv6; leave the address out$/,
  );
});

const many = Array.from({ length: 65 }, (_, index) => `10.${index}.0.0/16`).join(',');

t.test('everything that is wrong is said at once, with what to do', async (t) => {
  const text = refusal({
    ...label('egress_ip', '192.0.2.1,192.0.2.2'),
    ...label('publish_from', '10.1.0.5/24'),
    ...label('egress_allow', 'example.org:443'),
    ...label('no_masquerade_to', 'eth0'),
  });
  t.match(text, /^4 problems: /);
  t.match(text, /two IPv4 addresses: a packet leaves with one/);
  t.match(
    text,
    /"10.1.0.5\/24" is not the address of a network; did you mean 10.1.0.0\/24\?: use everywhere, or/,
  );
  t.match(text, /"example.org" is a name: rules know addresses only/);
  t.match(text, /"eth0" is not a network: use networks/);
  for (const [name, value, said] of [
    ['egress_ip', '0.0.0.0', /"0.0.0.0" is no address of a host/],
    ['egress_ip', '127.0.0.1', /no address of a host/],
    ['egress_ip', '', /"" is no address/],
    ['publish_from', 'dev:', /"" is not an interface name/],
    ['publish_from', 'everywhere,loopback', /"everywhere" is not a network: use everywhere, or/],
    ['egress_allow', '10.0.0.0/8/tcp', /has a protocol and no port: use any, none, or networks/],
    ['egress_allow', '10.0.0.0/8:0', /"0" in "10.0.0.0\/8:0" is not a port/],
    ['egress_allow', '10.0.0.0/8:9-8', /is not a port \(1 to 65535\) or FIRST-LAST/],
    ['egress_allow', '10.0.0.0/8:70000', /is not a port/],
    ['egress_allow', '10.0.0.1/8', /did you mean 10.0.0.0\/8\?/],
    ['egress_allow', '*.example.org', /is a name/],
    ['egress_allow', many, /65 entries, of which at most 64/],
    ['publish_from', many, /65 entries/],
    ['no_masquerade_to', many, /65 entries/],
  ] as const) {
    t.match(refusal(label(name, value)), said, `${name}=${value}`);
  }
});

t.test('networks on which they could not be kept', async (t) => {
  const all = { ...label('egress_ip', '192.0.2.9'), ...label('publish_from', 'loopback') };
  const internal = refusal(all, { options: { 'com.docker.network.internal': true } });
  t.match(
    internal,
    /2 problems: .*egress_ip cannot go with --internal.*publish_from cannot go with --internal/,
  );
  const lan = { 'tsbridge.bridge': 'unmanaged', 'com.docker.network.bridge.name': 'br-lan' };
  t.match(refusal({ ...all, ...lan }), /egress_ip cannot go with tsbridge.bridge=unmanaged/);
  const off = { ...all, ...label('egress_allow', 'none'), 'tsbridge.iptables': 'false' };
  t.match(
    refusal(off),
    /3 problems: .*egress_allow needs rules for IPv4: leave out tsbridge.iptables=false, or tsbridge.egress_allow/,
  );
  const six = { ipv6: [{ pool: 'fd00:5::/64', gateway: 'fd00:5::1/64' }] };
  t.match(
    refusal({ ...label('publish_from', 'loopback'), 'tsbridge.ip6tables': 'false' }, six),
    /publish_from needs rules for IPv6: leave out tsbridge.ip6tables=false/,
  );
  const open = { ...label('publish_from', 'everywhere'), 'tsbridge.iptables': 'false' };
  t.ok(networkSpec({ labels: open }), 'holds nothing back');
  const bare = { ...label('no_masquerade_to', '10.0.0.0/8') };
  const labels = { ...bare, 'com.docker.network.bridge.enable_ip_masquerade': 'false' };
  t.same(parseNetwork(networkInput({ labels })).warnings, [
    'tsbridge.no_masquerade_to has no effect: masquerading is off',
  ]);
});
