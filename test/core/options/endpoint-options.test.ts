import fc from 'fast-check';
import t from 'tap';
import { DriverError } from '../../../src/core/errors.js';
import { parseEndpoint } from '../../../src/core/options/endpoint-options.js';
import type { EndpointInput } from '../../../src/core/options/input.js';
import {
  endpointId,
  endpointInput,
  messageFrom,
  networkId,
  networkSpec,
} from '../../fakes/inputs.js';

const network = networkSpec();
const dual = networkSpec({ ipv6: [{ pool: 'fd00::/64', gateway: 'fd00::1/64' }] });
const macOption = 'com.docker.network.endpoint.macaddress';

t.test('an endpoint with an IPv4 address is parsed', async (t) => {
  t.strictSame(parseEndpoint(endpointInput(), network), {
    spec: {
      id: endpointId,
      networkId,
      ipv4: { family: 4, address: '10.5.0.2', prefixLength: 24 },
      ipv6: undefined,
      mac: '02:42:0a:05:00:02',
      veth: { host: 'veth875199f', container: 'veth' + 'e3bac00' },
    },
    macGiven: false,
    warnings: [],
  });
});

t.test('an endpoint may have IPv6 alone or beside IPv4', async (t) => {
  const both = parseEndpoint(endpointInput({ addressIpv6: 'fd00::2/64' }), dual).spec;
  t.equal(both.ipv6?.address, 'fd00::2');
  t.equal(both.mac, '02:42:0a:05:00:02');
  const alone = endpointInput({ address: '', addressIpv6: 'fd00::2/64' });
  t.equal(parseEndpoint(alone, dual).spec.mac, '02:87:51:99:fe:3b');
});

t.test('a MAC address comes from the interface or from the option', async (t) => {
  const given = parseEndpoint(endpointInput({ mac: '02:42:AC:28:05:AA' }), network);
  t.match(given, { spec: { mac: '02:42:ac:28:05:aa' }, macGiven: true });
  const option = endpointInput({ options: { [macOption]: 'AkKsKAWq' } });
  t.match(
    parseEndpoint(option, network),
    { spec: { mac: '02:42:ac:28:05:aa' }, macGiven: false },
    'the engine has none at the interface: it is told',
  );
  for (const empty of ['', null]) {
    const { spec } = parseEndpoint(endpointInput({ options: { [macOption]: empty } }), network);
    t.equal(spec.mac, '02:42:0a:05:00:02');
  }
});

t.test('a bridge without address leaves the gateway to a container', async (t) => {
  const labels = { 'com.docker.network.bridge.inhibit_ipv4': 'true' };
  const gateway = endpointInput({ address: '10.5.0.1/24' });
  t.equal(parseEndpoint(gateway, networkSpec({ labels })).spec.ipv4?.address, '10.5.0.1');
  const isolated = networkSpec({
    labels: { 'com.docker.network.bridge.gateway_mode_ipv4': 'isolated' },
    options: { 'com.docker.network.internal': true },
  });
  t.equal(parseEndpoint(gateway, isolated).spec.ipv4?.address, '10.5.0.1');
});

t.test('options of ours that do not exist are told, not refused', async (t) => {
  const options = { 'tsbridge.egress.rate': '10mbit', other: 'x' };
  const { warnings } = parseEndpoint(endpointInput({ options }), network);
  t.match(warnings, [/tsbridge\.egress\.rate is not known and has no effect/]);
  t.equal(warnings.length, 1);
});

const refused: readonly [Partial<EndpointInput>, RegExp][] = [
  [{ endpointId: 'x' }, /^creating endpoint x on network a941c14b8f93: x is not an endpoint id/],
  [{ networkId: 'y' }, /invalid network id y: expected a941c14b8f93/],
  [{ address: '10.5.0.2' }, /invalid IPv4 address 10\.5\.0\.2: not an IPv4 ADDRESS\/PREFIX/],
  [{ address: 'fd00::2/64' }, /invalid IPv4 address fd00::2\/64/],
  [{ address: '10.6.0.2/24' }, /10\.6\.0\.2\/24 is not in the network's subnet 10\.5\.0\.0\/24/],
  [{ address: '10.5.0.1/24' }, /is the address of the network's bridge br-a941c14b8f93/],
  [{ addressIpv6: 'fd00::2/64' }, /network a941c14b8f93 has no IPv6/],
  [{ mac: '01:00:5e:00:00:01' }, /invalid MAC address 01:00:5e:00:00:01/],
  [{ mac: 'x' }, /invalid MAC address x/],
  [{ options: { [macOption]: 'AkKs' } }, /invalid endpoint configuration: .*=AkKs is not/],
  [{ options: { [macOption]: 'AQAAAAAA' } }, /invalid endpoint configuration/],
  [{ options: { [macOption]: [2] } }, /=\[2\] is not a unicast MAC/],
];

t.test('an endpoint that cannot be is refused with every problem', async (t) => {
  for (const [parts, message] of refused) {
    t.match(
      messageFrom(() => parseEndpoint(endpointInput(parts), network)),
      message,
      `${message}`,
    );
  }
  const both = endpointInput({ address: 'x', mac: 'y' });
  t.match(
    messageFrom(() => parseEndpoint(both, network)),
    /: 2 problems: \(1\) .*x.*; \(2\) .*y/,
  );
});

t.test('any text in an endpoint is parsed or refused with a problem', async () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.string(),
      fc.string(),
      fc.jsonValue(),
      (address, v6, mac, option) => {
        const options = { [macOption]: option };
        try {
          parseEndpoint(endpointInput({ address, addressIpv6: v6, mac, options }), dual);
        } catch (error) {
          if (!(error instanceof DriverError) || error.code !== 'endpoint-invalid') throw error;
        }
      },
    ),
  );
});

t.test('an endpoint whose IPv6 is switched off by its settings has no IPv6 address', async (t) => {
  const network = networkSpec({ ipv6: [{ pool: 'fd00:5::/64', gateway: 'fd00:5::1/64' }] });
  const ipv6 = (sysctls: unknown) =>
    parseEndpoint(
      endpointInput({
        addressIpv6: 'fd00:5::2/64',
        options: { 'com.docker.network.endpoint.sysctls': sysctls },
      }),
      network,
    ).spec.ipv6?.address;
  const off = 'net.ipv6.conf.IFNAME.disable_ipv6';
  for (const text of [
    `${off}=1`,
    `net.ipv4.conf.IFNAME.log_martians=1,${off}=1`,
    `${off}=0,${off}=1`,
  ]) {
    t.equal(ipv6(text), undefined, text);
  }
  for (const text of [
    '',
    `${off}=0`,
    `${off}=1,${off}=0`,
    'net.ipv6.conf.all.disable_ipv6=1',
    7,
    null,
  ]) {
    t.equal(ipv6(text), 'fd00:5::2', String(text));
  }
});
