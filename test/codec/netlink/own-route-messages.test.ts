/** Routes with our protocol number: the bytes of `ip route … proto 201`, and the kernel's own. */
import t from 'tap';
import { formatRequest, type NetlinkRequest } from '../../../src/codec/netlink/netlink-message.js';
import {
  addOwnRouteRequest,
  listOwnRoutesRequest,
  parseOwnRoute,
  removeOwnRouteRequest,
  routeReportFilter,
  tellsOfRemovedRoute,
  type WireRoute,
} from '../../../src/codec/netlink/own-route-messages.js';
import { parseCidr, parseIp } from '../../../src/core/address.js';

/** From its length to its end, without the sequence number: as `strace -xx` shows `ip`. */
function wire(request: NetlinkRequest): string {
  const bytes = formatRequest(request, 0).toString('hex');
  return bytes.slice(0, 16) + bytes.slice(32);
}
const captured = (...lines: readonly string[]) => lines.join('').replaceAll(' ', '');
const cidr = (text: string) => parseCidr(text) as never;
const ip = (text: string) => parseIp(text) as never;
const unicast = (destination: string, rest: Partial<WireRoute> = {}): WireRoute => ({
  type: 'unicast',
  destination: cidr(destination),
  ...rest,
});

t.test('requests are those of `ip` (iproute2 6.1)', async (t) => {
  t.equal(
    wire(addOwnRouteRequest(unicast('10.9.0.0/24', { via: ip('10.5.0.2') }))),
    captured('2c000000 18000506 02180000 fec90001 00000000 08000100 0a090000 08000500 0a050002'),
    'ip route add 10.9.0.0/24 via 10.5.0.2 proto 201',
  );
  t.equal(
    wire(addOwnRouteRequest(unicast('10.9.0.0/24', { via: ip('10.5.0.2'), out: 3 }))),
    captured(
      '34000000 18000506 02180000 fec90001 04000000 08000100 0a090000 08000500 0a050002 08000400 03000000',
    ),
    'with dev, and onlink',
  );
  t.equal(
    wire(addOwnRouteRequest(unicast('10.5.0.0/24', { out: 3, source: ip('10.5.0.1'), metric: 7 }))),
    captured(
      '3c000000 18000506 02180000 fec9fd01 00000000 08000100 0a050000 08000400 03000000',
      '08000700 0a050001 08000600 07000000',
    ),
    'scope link',
  );
  t.match(
    wire(addOwnRouteRequest({ ...unicast('0.0.0.0/0'), type: 'blackhole' })),
    captured('1c000000 18000506 02000000 fec90006 00000000'),
  );
  t.match(wire(addOwnRouteRequest(unicast('fd00::/64', { out: 3 }))), /^.{16}0a400000fec90001/);
  t.match(
    wire(removeOwnRouteRequest(unicast('10.9.0.0/24', { via: ip('10.5.0.2') }))),
    captured('2c000000 19000500 02180000 fec9ff01 00000000 08000100'),
    'scope nowhere: any',
  );
  t.equal(
    wire(listOwnRoutesRequest(6)),
    captured('1c000000 1a000103 0a000000 fec90000 00000000'),
    'ip -6 route show proto 201 table main',
  );
});

t.test('a route that was written is read as it was', async (t) => {
  for (const route of [
    unicast('10.9.0.0/24', { via: ip('10.5.0.2'), out: 3, metric: 100 }),
    unicast('10.5.0.0/24', { out: 3, source: ip('10.5.0.1') }),
    unicast('0.0.0.0/0', { via: ip('10.5.0.1') }),
    { ...unicast('fd00:9::/64'), type: 'unreachable' as const },
    { ...unicast('10.9.0.0/24'), type: 'throw' as const },
  ]) {
    const { type, body } = addOwnRouteRequest(route);
    t.strictSame(parseOwnRoute(type, body), route);
  }
  const { body } = addOwnRouteRequest(unicast('10.9.0.0/24', { out: 3 }));
  const changed = (offset: number, value: number) => {
    const copy = Buffer.from(body);
    copy[offset] = value;
    return copy;
  };
  t.equal(parseOwnRoute(25, body), undefined, 'another message');
  t.equal(parseOwnRoute(24, body.subarray(0, 8)), undefined, 'cut off');
  t.equal(parseOwnRoute(24, changed(5, 3)), undefined, 'of somebody else');
  t.equal(parseOwnRoute(24, changed(4, 255)), undefined, 'of another table');
  t.equal(parseOwnRoute(24, changed(0, 28)), undefined, 'of another family');
  t.equal(parseOwnRoute(24, changed(7, 11)), undefined, 'of a type that no route has');
});

/** What the kernel's interpreter of classic BPF does with these few instructions. */
function passes(datagram: Buffer): boolean {
  let [at, value] = [0, 0];
  for (;;) {
    const line = routeReportFilter[at];
    if (line === undefined) throw new Error(`no instruction ${at}`);
    if (line.code === 0x06) return line.operand !== 0;
    if (line.code === 0x30) value = datagram[line.operand] ?? 0;
    else at += value === line.operand ? line.jumpTrue : line.jumpFalse;
    at += 1;
  }
}

t.test('of the reports of routes only the removal of ours is heard', async (t) => {
  const report = (type: number, protocol: number) => {
    const { body } = removeOwnRouteRequest(unicast('10.9.0.0/24', { out: 3 }));
    body[5] = protocol;
    return formatRequest({ type, flags: 0, body }, 0);
  };
  for (const [type, protocol, is] of [
    [25, 201, true],
    [25, 3, false],
    [24, 201, false],
  ] as const) {
    t.equal(tellsOfRemovedRoute(report(type, protocol)), is);
    t.equal(passes(report(type, protocol)), is);
  }
  t.ok(passes(report(16, 0)), 'reports of links pass the filter');
});
