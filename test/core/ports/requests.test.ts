import t from 'tap';
import type { IpAddress } from '../../../src/core/address.js';
import { generationNames } from '../../../src/core/generations/generation.js';
import { bindFailure } from '../../../src/core/generations/ports/bind-failure.js';
import {
  bindingKey,
  hostAndPort,
  type PortRequest,
  parsePort,
  protocolFromNumber,
} from '../../../src/core/ports/port.js';
import {
  expandRequests,
  type PublishContext,
  routedPorts,
} from '../../../src/core/ports/requests.js';
import { makeBinding } from '../../golden/golden.js';

const ip = (text: string) => text as IpAddress;
const request = (host?: [first: number, last: number], hostIp?: string): PortRequest =>
  ({
    protocol: 'tcp',
    containerPort: 80,
    hostIp,
    hostPorts: host && { first: host[0], last: host[1] },
  }) as PortRequest;
const dual: PublishContext = {
  containerIpv4: ip('10.5.0.2'),
  containerIpv6: ip('fd00::2'),
  hostBinding: undefined,
  userlandProxy: true,
  ipv6Listenable: true,
  noProxy6To4: false,
  routed: [],
};
const pairs = (context: PublishContext, hostIp?: string) =>
  expandRequests([request([80, 80], hostIp)], context).flatMap(({ addresses }) =>
    addresses.map((pair) => `${pair.hostIp} > ${pair.containerIp}`),
  );

t.test('a request without a host address is bound on the addresses of both families', async (t) => {
  const single = { ...dual, containerIpv6: undefined };
  t.same(pairs(dual), ['0.0.0.0 > 10.5.0.2', ':: > fd00::2']);
  t.same(pairs(single), ['0.0.0.0 > 10.5.0.2', ':: > 10.5.0.2'], 'by the proxy');
  t.same(pairs({ ...single, noProxy6To4: true }), ['0.0.0.0 > 10.5.0.2']);
  t.same(pairs({ ...single, userlandProxy: false }), ['0.0.0.0 > 10.5.0.2']);
  t.same(pairs({ ...dual, ipv6Listenable: false }), ['0.0.0.0 > 10.5.0.2']);
  t.same(pairs({ ...dual, containerIpv4: undefined }), [':: > fd00::2']);
  t.same(pairs({ ...dual, hostBinding: ip('0.0.0.0') }), ['0.0.0.0 > 10.5.0.2', ':: > fd00::2']);
  t.same(pairs({ ...dual, hostBinding: ip('127.0.0.1') }), ['127.0.0.1 > 10.5.0.2']);
  t.same(pairs({ ...dual, hostBinding: ip('::1') }), ['::1 > fd00::2']);
  t.same(pairs(dual, '192.0.2.1'), ['192.0.2.1 > 10.5.0.2']);
  t.same(pairs({ ...single, userlandProxy: false }, '::1'), [], 'nothing leads there');
});

t.test('in mode routed there are no host ports', async (t) => {
  const both = { ...dual, routed: [4, 6] as const };
  t.same(pairs(both), []);
  t.same(pairs({ ...dual, routed: [6] }), ['0.0.0.0 > 10.5.0.2']);
  t.same(
    pairs({ ...dual, containerIpv6: undefined, routed: [4] }),
    [':: > 10.5.0.2'],
    'an IPv6 address of the host leads there, through the proxy',
  );
  const udp = { ...request(), protocol: 'udp', containerPort: 53 } as PortRequest;
  const numbered = request([8080, 8080]);
  const { ports, ignored } = routedPorts([numbered, request(), udp], both);
  t.same(
    ports.map(({ protocol, containerIp, containerPort }) => [protocol, containerIp, containerPort]),
    [
      ['udp', '10.5.0.2', 53],
      ['udp', 'fd00::2', 53],
      ['tcp', '10.5.0.2', 80],
      ['tcp', 'fd00::2', 80],
    ],
  );
  t.same(ignored, [numbered]);
  t.same(routedPorts([numbered], { ...both, containerIpv4: undefined, routed: [4] }).ports, []);
});

t.test('ports are parsed as numbers and shown with their address', async (t) => {
  t.same([0, 1, 65535, 65536, 1.5].map(parsePort), [undefined, 1, 65535, undefined, undefined]);
  t.same([6, 17, 132, 1].map(protocolFromNumber), ['tcp', 'udp', 'sctp', undefined]);
  t.equal(hostAndPort(ip('::1'), 80), '[::1]:80');
  t.equal(bindingKey(makeBinding('0.0.0.0:8080', '10.5.0.2:80')), '0.0.0.0:8080/tcp');
});

t.test('why a port cannot be had, in the words of each generation', async (t) => {
  const failure = (code: string) => ({
    listener: { binding: makeBinding('0.0.0.0:9100', '172.17.0.4:80') },
    code,
  });
  const say = (code: string, proxy: boolean) =>
    generationNames.map((name) => bindFailure(failure(code), proxy, name).message.split(' (')[0]);
  t.same(say('EADDRINUSE', true), [
    'Error starting userland proxy: listen tcp 0.0.0.0:9100: bind: address already in use',
    'Error starting userland proxy: listen tcp4 0.0.0.0:9100: bind: address already in use',
    'failed to bind host port for 0.0.0.0:9100:172.17.0.4:80/tcp: address already in use',
    'failed to bind host port for 0.0.0.0:9100:172.17.0.4:80/tcp: address already in use',
  ]);
  t.match(say('EACCES', false)[1], 'listen tcp4 0.0.0.0:9100: bind: permission denied');
  t.match(say('EWHAT', false)[1], /bind: EWHAT$/);
});
