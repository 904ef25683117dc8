import fc from 'fast-check';
import t from 'tap';
import { type IpAddress, parseIp } from '../../../src/core/address.js';
import { orderPortGroups } from '../../../src/core/ports/order.js';
import { type Protocol, parsePort, protocols } from '../../../src/core/ports/port.js';
import type { PortGroup } from '../../../src/core/ports/requests.js';

function ip(text: string): IpAddress {
  const address = parseIp(text);
  if (address === undefined) throw new Error(`not an address: ${text}`);
  return address;
}

/** `10.0.0.1:9000-9005:80/udp`, `*:8080:80`, `::80`: `*` is both unspecified addresses. */
function group(text: string): PortGroup {
  const [, host = '', first, last, to, protocol = 'tcp'] =
    /^(.*?):(\d*)(?:-(\d+))?:(\d+)(?:\/(\w+))?$/.exec(text) ?? [];
  const port = (digits: string | undefined) => parsePort(Number(digits));
  const [from, until, containerPort] = [port(first), port(last ?? first), port(to)];
  if (containerPort === undefined) throw new Error(text);
  const hostIps = host === '*' ? ['0.0.0.0', '::'] : [host.replace(/[[\]]/g, '')];
  return {
    request: {
      protocol: protocol as Protocol,
      containerPort,
      hostIp: host === '*' ? undefined : ip(hostIps[0] ?? ''),
      hostPorts: from && until ? { first: from, last: until } : undefined,
    },
    addresses: hostIps.map((hostIp) => ({ hostIp: ip(hostIp), containerIp: ip('10.5.0.2') })),
  };
}

/** The other way round, with every address of the group. */
function show({ request, addresses }: PortGroup): string {
  const { hostPorts, containerPort, protocol } = request;
  const range = hostPorts && hostPorts.first !== hostPorts.last ? `-${hostPorts.last}` : '';
  const hosts = addresses.map(({ hostIp }) => hostIp).join(' ');
  return `${hosts} ${hostPorts?.first ?? ''}${range} ${containerPort}/${protocol}`;
}

const ordered = (...texts: string[]) => orderPortGroups(texts.map(group)).map(show);

t.test('published ports are ordered as Docker 28 and 29 do', async (t) => {
  t.same(
    ordered('*::80', '*:9000-9005:80', '*:9100:90', '*:9001:90'),
    [
      '0.0.0.0 :: 9001 90/tcp',
      '0.0.0.0 :: 9100 90/tcp',
      '0.0.0.0 ::  80/tcp',
      '0.0.0.0 :: 9000-9005 80/tcp',
    ],
    'exact ports before ranges and ephemeral ones',
  );
  t.same(
    ordered('127.0.0.1:8081:81', '0.0.0.0:5353:53/udp'),
    ['0.0.0.0 5353 53/udp', '127.0.0.1 8081 81/tcp'],
    'by container port, as the golden file has it',
  );
  t.same(
    ordered('*:1:80/sctp', '*:2:80/udp', '*:3:80'),
    ['0.0.0.0 :: 3 80/tcp', '0.0.0.0 :: 2 80/udp', '0.0.0.0 :: 1 80/sctp'],
    'by protocol number',
  );
  t.same(
    ordered('*:9000-9005:80', '*:9000-9002:80'),
    ['0.0.0.0 :: 9000-9002 80/tcp', '0.0.0.0 :: 9000-9005 80/tcp'],
    'by the end of the range',
  );
});

t.test('what differs in the host address only gets one port', async (t) => {
  t.same(ordered('[::1]::80', '127.0.0.1::80', '10.0.0.9::80', '*::81'), [
    '10.0.0.9 127.0.0.1 ::1  80/tcp',
    '0.0.0.0 ::  81/tcp',
  ]);
  const [merged] = orderPortGroups([group('127.0.0.1::80'), group('[::1]::80')]);
  t.equal(merged?.request.hostIp, '127.0.0.1', 'an explicit address stays one');
  const implicit = { ...group('127.0.0.1::80') };
  const byDefault = { ...implicit, request: { ...implicit.request, hostIp: undefined } };
  t.equal(orderPortGroups([byDefault, group('[::1]::80')])[0]?.request.hostIp, '::1');
});

t.test('addresses that cover each other cannot share a port', async (t) => {
  t.same(ordered('127.0.0.1::80', '*::80'), ['0.0.0.0 ::  80/tcp', '127.0.0.1  80/tcp']);
  t.same(ordered('127.0.0.1::80', '127.0.0.1::80'), ['127.0.0.1  80/tcp', '127.0.0.1  80/tcp']);
  t.same(ordered('127.0.0.1::80', '0.0.0.0::80'), ['0.0.0.0  80/tcp', '127.0.0.1  80/tcp']);
});

t.test('nothing is lost, and the order asked in does not matter', async (t) => {
  const one = fc
    .record({
      host: fc.constantFrom('*', '127.0.0.1', '10.0.0.9', '[::1]'),
      ports: fc.constantFrom('', '8080', '8080-8090'),
      to: fc.constantFrom(80, 81),
      protocol: fc.constantFrom(...protocols),
    })
    .map(({ host, ports, to, protocol }) => `${host}:${ports}:${to}/${protocol}`);
  const bindings = (groups: readonly PortGroup[]) =>
    groups
      .flatMap(({ request, addresses }) =>
        addresses.map((own) => show({ request, addresses: [own] })),
      )
      .sort();
  fc.assert(
    fc.property(fc.uniqueArray(one, { maxLength: 8 }), (texts) => {
      const groups = texts.map(group);
      const result = orderPortGroups(groups);
      t.strictSame(bindings(result), bindings(groups));
      t.strictSame(orderPortGroups(groups.toReversed()).map(show), result.map(show));
      t.strictSame(orderPortGroups(result).map(show), result.map(show), 'once is enough');
    }),
    { numRuns: 100 },
  );
});

t.test('a group without addresses goes nowhere, and breaks nothing', async (t) => {
  const empty = { ...group('*:1:80'), addresses: [] };
  t.equal(orderPortGroups([empty, group('*:1:80')]).length, 1);
});
