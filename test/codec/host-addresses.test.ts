/** A host's addresses, from what `ip -json` of iproute2 6.1 prints. */
import t from 'tap';
import { HostAddresses } from '../../src/codec/host-addresses.js';
import { parseIp } from '../../src/core/address.js';

const ip = (text: string) => parseIp(text) as NonNullable<ReturnType<typeof parseIp>>;

const addresses = HostAddresses.of(
  [
    { ifindex: 1, ifname: 'lo', addr_info: [{ local: '127.0.0.1', prefixlen: 8, scope: 'host' }] },
    {
      ...{ ifindex: 3, ifname: 'eth0' },
      addr_info: [
        { local: '192.0.2.1', prefixlen: 24, scope: 'global' },
        { local: '192.0.2.9', prefixlen: 24, scope: 'global', secondary: true },
        { local: '198.51.100.1', prefixlen: 24, scope: 'global' },
        { local: '2001:db8::1', prefixlen: 64, scope: 'global' },
        { local: 'nonsense', prefixlen: 1, scope: 'global' },
      ],
    },
    { ifindex: 4, ifname: 'br0' },
  ],
  [
    { type: 'local', dst: '127.0.0.0/8', dev: 'lo' },
    { dst: '192.0.2.1', dev: 'eth0' },
    { type: 'broadcast', dst: '192.0.2.255', dev: 'eth0' },
    { type: 'anycast', dst: '2001:db8::', dev: 'eth0' },
    { type: 'strange', dst: '10.0.0.1', dev: 'eth0' },
  ],
);

t.test('interfaces and their addresses', async (t) => {
  t.equal(addresses.indexOf('eth0'), 3);
  t.equal(addresses.nameOf(4), 'br0');
  t.match(addresses.byInterface(), [
    { name: 'lo', addresses: [] },
    { name: 'eth0', addresses: ['192.0.2.1/24', '192.0.2.9/24', '198.51.100.1/24', /2001:db8/] },
    { name: 'br0', addresses: [] },
  ]);
  t.equal(addresses.networks().length, 5);
  t.equal(addresses.addressesOf('eth0', 6).length, 1);
  t.strictSame(addresses.addressesOf('gone', 4), []);
});

t.test('types of addresses', async (t) => {
  t.ok(addresses.isOwn(ip('192.0.2.1')));
  t.notOk(addresses.isOwn(ip('10.0.0.1')), 'a type that is not known');
  t.equal(addresses.typeOf(ip('192.0.2.255')), 'BROADCAST');
  t.equal(addresses.typeOf(ip('2001:db8::')), 'ANYCAST');
  t.equal(addresses.typeOf(ip('192.0.2.1'), 'lo'), 'UNICAST', 'of another interface');
});

t.test('the address that the kernel sends from', async (t) => {
  t.equal(addresses.sourceOn('eth0', 4), '192.0.2.1');
  t.equal(addresses.sourceOn('eth0', 4, ip('198.51.100.7')), '198.51.100.1');
  t.equal(addresses.sourceOn('br0', 4), '192.0.2.1', 'of another interface');
  t.equal(addresses.sourceOn('br0', 6, ip('2001:db8::7')), '2001:db8::1');
  const alone = HostAddresses.of([], [{ dst: '2001:db8::1', dev: 'lo' }]);
  t.equal(alone.sourceOn('lo', 6, ip('2001:db8::1')), '2001:db8::1', 'the destination itself');
  t.equal(alone.sourceOn('lo', 4), undefined);
});
