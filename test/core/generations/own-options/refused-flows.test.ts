/** Which tracked connections options of the passage would have refused. */
import t from 'tap';
import { parseIp } from '../../../../src/core/address.js';
import {
  RefusedFlows,
  type TrackedFlow,
} from '../../../../src/core/generations/own-options/refused-flows.js';
import { readPassage } from '../../../../src/core/options/own/passage-options.js';
import { Problems } from '../../../../src/core/problems.js';
import { makeBinding, makeEndpoint, makeNetwork } from '../../../golden/golden.js';

const ip = (text: string) => parseIp(text) as never;
const numbers = { tcp: 6, udp: 17, icmp: 1, icmpv6: 58 } as const;
type Kind = keyof typeof numbers;
/** `192.0.2.7:80`, `[2001:db8::7]:80`, or without a port. */
const split = (text: string) => {
  const [, six, four, port] = /^(?:\[(.*)\]|([\d.]+))(?::(\d+))?$/.exec(text) ?? [];
  return { address: ip(six ?? four ?? ''), port: port === undefined ? undefined : Number(port) };
};

/** @param reached who answers, if it is not the destination */
function flow(kind: Kind, from: string, to: string, reached = to): TrackedFlow {
  const [source, destination, reply] = [from, to, reached].map(split) as [
    ReturnType<typeof split>,
    ReturnType<typeof split>,
    ReturnType<typeof split>,
  ];
  return {
    family: from.includes('[') ? 6 : 4,
    protocol: numbers[kind],
    source: source.address,
    sourcePort: source.port,
    destination: destination.address,
    destinationPort: destination.port,
    replySource: reply.address,
    replySourcePort: reply.port,
    replyDestination: source.address,
  };
}

const own = new Set(['192.0.2.1', '10.5.0.1', '10.5.0.77', '2001:db8::1', '127.0.0.1']);
function judged(options: Record<string, string>, ofEndpoint: Record<string, string> = {}) {
  const both = { ipv6: { subnet: 'fd00:5::/64', gateway: 'fd00:5::1/64' } };
  const network = makeNetwork('br-x', '10.5.0.0/24', '10.5.0.1', options, both);
  const passage = readPassage(ofEndpoint, 'endpoint', new Problems());
  const plain = makeEndpoint(network, '10.5.0.2/24', 'fd00:5::2/64');
  const endpoint = passage === undefined ? plain : { ...plain, passage };
  const bindings = [
    makeBinding('0.0.0.0:8080', '10.5.0.2:80'),
    makeBinding('127.0.0.1:8081', '10.5.0.2:81'),
    makeBinding('[2001:db8::1]:8080', '10.5.0.2:80'),
  ];
  const opened = [{ protocol: 'tcp' as const, containerIp: ip('fd00:5::2'), containerPort: 443 }];
  const refused = new RefusedFlows([{ network, endpoint, bindings, opened: opened as never }]);
  return {
    isEmpty: refused.isEmpty,
    of: (...args: Parameters<typeof flow>) =>
      refused.judge(flow(...args), (address) => own.has(address)),
  };
}

t.test('without the options nothing is refused', async (t) => {
  const { isEmpty, of } = judged({});
  t.ok(isEmpty);
  t.equal(of('tcp', '198.51.100.7:999', '192.0.2.1:8080', '10.5.0.2:80'), 'allowed');
  t.ok(judged({ 'tsbridge.publish_from': 'everywhere', 'tsbridge.egress_allow': 'any' }).isEmpty);
});

t.test('who reaches published ports', async (t) => {
  const { isEmpty, of } = judged({ 'tsbridge.publish_from': '192.0.2.0/24' });
  t.notOk(isEmpty);
  const cases: readonly [string, ...Parameters<typeof flow>][] = [
    ['refused', 'tcp', '198.51.100.7:999', '192.0.2.1:8080', '10.5.0.2:80'],
    ['refused', 'tcp', '198.51.100.7:999', '10.5.0.2:80'],
    ['refused', 'tcp', '198.51.100.7:999', '192.0.2.1:8080'],
    ['refused', 'tcp', '[2001:db8:9::7]:999', '[2001:db8::1]:8080'],
    ['refused', 'tcp', '[2001:db8:9::7]:999', '[fd00:5::2]:443'],
    ['allowed', 'tcp', '192.0.2.7:999', '192.0.2.1:8080', '10.5.0.2:80'],
    ['allowed', 'tcp', '192.0.2.7:999', '192.0.2.1:8080'],
    // The host itself, and a container of the same network.
    ['allowed', 'tcp', '192.0.2.1:999', '10.5.0.2:80'],
    ['allowed', 'tcp', '10.5.0.3:999', '192.0.2.1:8080'],
    // Of other protocols, ports and hosts.
    ['allowed', 'udp', '198.51.100.7:999', '192.0.2.1:8080'],
    ['allowed', 'tcp', '198.51.100.7:999', '192.0.2.1:22'],
    ['allowed', 'tcp', '198.51.100.7:999', '203.0.113.9:8080'],
    ['allowed', 'tcp', '198.51.100.7:999', '192.0.2.1:8080', '10.6.0.2:80'],
    ['allowed', 'tcp', '[2001:db8:9::7]:999', '[2001:db8::2]:8080'],
    ['refused', 'tcp', '198.51.100.7:999', '127.0.0.1:8081'],
    ['refused', 'tcp', '192.0.2.7:999', '127.0.0.1:8081'],
    ['allowed', 'tcp', '127.0.0.1:999', '127.0.0.1:8081'],
    ['allowed', 'icmp', '198.51.100.7', '10.5.0.2'],
    // What the container itself opens.
    ['allowed', 'tcp', '10.5.0.2:80', '198.51.100.7:999'],
  ];
  for (const [verdict, ...args] of cases) t.equal(of(...args), verdict, args.join(' '));
  const hairpin = judged({
    'tsbridge.publish_from': 'loopback',
    'tsbridge.userland_proxy': 'false',
  });
  t.equal(hairpin.of('tcp', '198.51.100.7:999', '192.0.2.1:8080'), 'allowed', 'nobody listens');
  t.equal(hairpin.of('tcp', '192.0.2.7:999', '192.0.2.1:8080', '10.5.0.2:80'), 'refused');
});

t.test('sources that are told by their interface', async (t) => {
  const { of } = judged({ 'tsbridge.publish_from': '192.0.2.0/24,dev:wg0,dev:eth1' });
  const unless = { unlessBy: ['wg0', 'eth1'] };
  t.strictSame(of('tcp', '198.51.100.7:999', '192.0.2.1:8080', '10.5.0.2:80'), unless);
  t.strictSame(of('tcp', '198.51.100.7:999', '192.0.2.1:8080'), unless);
  t.equal(of('tcp', '192.0.2.7:999', '192.0.2.1:8080'), 'allowed');
});

t.test('what containers open connections to', async (t) => {
  const allow = '198.51.100.0/24:443/tcp,203.0.113.0/24,192.0.2.53:50-60,[2001:db8:9::/48]:53/udp';
  const { of } = judged({}, { 'tsbridge.egress_allow': allow });
  const cases: readonly [string, ...Parameters<typeof flow>][] = [
    ['allowed', 'tcp', '10.5.0.2:999', '198.51.100.7:443'],
    ['refused', 'tcp', '10.5.0.2:999', '198.51.100.7:444'],
    ['refused', 'udp', '10.5.0.2:999', '198.51.100.7:443'],
    ['allowed', 'icmp', '10.5.0.2', '203.0.113.9'],
    ['refused', 'icmp', '10.5.0.2', '198.51.100.7'],
    ['allowed', 'udp', '10.5.0.2:999', '192.0.2.53:53'],
    ['allowed', 'tcp', '10.5.0.2:999', '192.0.2.53:60'],
    ['refused', 'tcp', '10.5.0.2:999', '192.0.2.53:61'],
    ['refused', 'tcp', '10.5.0.2:999', '10.5.0.1:22'],
    ['refused', 'tcp', '10.5.0.2:999', '10.5.0.77:22'],
    ['allowed', 'tcp', '10.5.0.2:999', '10.5.0.3:22'],
    // By the address that it asks for, whoever is reached.
    ['refused', 'tcp', '10.5.0.2:999', '192.0.2.1:8080', '10.5.0.2:80'],
    ['allowed', 'udp', '[fd00:5::2]:999', '[2001:db8:9::1]:53'],
    ['refused', 'tcp', '[fd00:5::2]:999', '[2001:db8:9::1]:53'],
    ['allowed', 'icmpv6', '[fd00:5::2]', '[fe80::1]'],
    ['refused', 'icmpv6', '[fd00:5::2]', '[2001:db8::1]'],
    // Others, and what others open.
    ['allowed', 'tcp', '10.5.0.3:999', '198.51.100.7:444'],
    ['allowed', 'tcp', '198.51.100.7:444', '192.0.2.1:8080', '10.5.0.2:80'],
  ];
  for (const [verdict, ...args] of cases) t.equal(of(...args), verdict, args.join(' '));
  const any = { 'tsbridge.egress_allow': 'any' };
  t.ok(judged({ 'tsbridge.egress_allow': 'none' }, any).isEmpty, 'the endpoint decides');
});
