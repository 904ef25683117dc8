/** Links and routes of ip(8), counters of /proc/net/stat, lines of sysctl.d. */
import t from 'tap';
import { parseIpJson, parseLinks, parseNeighbours, parseRoutes } from '../../src/codec/ip-json.js';
import {
  parseConntrackDrops,
  parseNeighbourStat,
  parseSettingLines,
} from '../../src/codec/kernel-tables.js';

t.test('links', (t) => {
  const text = JSON.stringify([
    {
      ...{ ifname: 'br-1', mtu: 1500, flags: ['UP'], linkinfo: { info_kind: 'bridge' } },
      addr_info: [{ local: '172.20.0.1', prefixlen: 16 }, { label: 'no address' }],
    },
    { ifname: 'eth0', mtu: 1400, flags: [], master: 'br-1', addr_info: [] },
    { mtu: 1 },
  ]);
  t.strictSame(parseLinks(text), [
    {
      ...{ name: 'br-1', kind: 'bridge', mtu: 1500, isUp: true },
      addresses: [{ family: 4, address: '172.20.0.1', prefixLength: 16 }],
    },
    { name: 'eth0', kind: '', mtu: 1400, isUp: false, master: 'br-1', addresses: [] },
  ]);
  t.strictSame(parseLinks(''), []);
  t.strictSame(parseLinks('{}'), []);
  t.end();
});

t.test('control characters in names of interfaces', (t) => {
  t.strictSame(parseIpJson('[{"ifname":"a\u001b[1m\u0001"}]\n'), [{ ifname: 'a\u001b[1m\u0001' }]);
  t.throws(() => parseIpJson('['), SyntaxError);
  t.end();
});

t.test('routes that lead to others', (t) => {
  const text = JSON.stringify([
    { dst: 'default', gateway: '192.0.2.254', dev: 'eth0', protocol: 'dhcp', metric: 100 },
    { dst: '10.0.0.9', dev: 'wg0', table: '51820' },
    { dst: 'default', nexthops: [{ dev: 'a' }, { dev: 'b' }] },
    { type: 'local', dst: '192.0.2.1', dev: 'eth0', table: 'local' },
    { type: 'blackhole', dst: '10.9.0.0/16' },
    { dst: 'nonsense', dev: 'eth0' },
  ]);
  const common = { family: 4, table: 'main', protocol: '', metric: 0 };
  t.strictSame(parseRoutes(text, 4), [
    { ...common, device: 'eth0', protocol: 'dhcp', metric: 100 },
    {
      ...common,
      ...{ device: 'wg0', table: '51820' },
      destination: { family: 4, address: '10.0.0.9', prefixLength: 32 },
    },
    { ...common, device: 'a' },
    { ...common, device: 'b' },
  ]);
  t.match(parseRoutes('[{"dst":"fd00::1","dev":"x"}]', 6), [
    { destination: { prefixLength: 128 } },
  ]);
  t.end();
});

t.test('counters of each processor, in hexadecimal', (t) => {
  const stat =
    'entries  allocs table_fulls\n0000000a 00000001 00000002\n0000000a 00000001 0000000f\n';
  t.strictSame(parseNeighbourStat(stat), { entries: 10, refused: 17 });
  t.strictSame(parseNeighbourStat(''), { entries: 0, refused: 0 });
  t.equal(parseConntrackDrops('entries drop\n00000000 00000003\n00000000 00000010\n'), 19);
  t.equal(parseConntrackDrops(''), 0);
  t.end();
});

t.test('lines of sysctl.d', (t) => {
  const text = `# comment
net.ipv4.ip_forward = 0
-net/ipv4/conf/eth0.7/rp_filter=2
; net.ipv4.ip_forward=1
nonsense
`;
  t.strictSame(parseSettingLines('/f', text), [
    { file: '/f', path: 'net/ipv4/ip_forward', value: '0' },
    { file: '/f', path: 'net/ipv4/conf/eth0.7/rp_filter', value: '2' },
  ]);
  t.end();
});

t.test('neighbours', (t) => {
  const text = `[{"dst":"172.20.0.2","dev":"br-1","lladdr":"02:42:ac:14:00:02","state":["REACHABLE"]},
    {"dst":"172.20.0.3","dev":"br-1","state":["PERMANENT"]},{"dst":"x","dev":"br-1","lladdr":"02:42:ac:14:00:02"}]`;
  t.strictSame(parseNeighbours(text), [
    { device: 'br-1', address: '172.20.0.2', mac: '02:42:ac:14:00:02' },
  ]);
  t.strictSame(parseNeighbours(''), []);
  t.end();
});
