/** As kernel 6.18 lists them, in a container with both families. */
import t from 'tap';
import { parseInterfaceNames, parseSctpEndpoints, parseSockets } from '../../src/codec/proc-net.js';

const head =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';

t.test('sockets that listen, and UDP sockets without a peer', (t) => {
  const tcp = `${head}${[
    '   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0',
    '   1: 020012AC:0050 030012AC:D431 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1',
  ].join('\n')}\n`;
  t.strictSame(parseSockets('tcp', tcp), [
    { protocol: 'tcp', address: '127.0.0.1', port: 3000, inode: '4711' },
  ]);
  const tcp6 = `${head}   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 815 1 0 100 0 0 10 0\n`;
  t.match(parseSockets('tcp', tcp6), [{ address: '::', port: 80 }]);
  const udp6 = `${head}  9: B80D0120000000000000000001000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 816 2 0 0\n`;
  t.match(parseSockets('udp', udp6), [{ protocol: 'udp', address: '2001:db8::1', port: 53 }]);
  t.strictSame(parseSockets('udp', ''), []);
  t.strictSame(parseSockets('tcp', 'nonsense 1\n   0: xyz:1 0 0A\n'), []);
  t.end();
});

t.test('SCTP endpoints have all of their addresses in one line', (t) => {
  const eps =
    ' ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS\n' +
    'ffff 0000 2   10  29   36412     0 9001 172.18.0.2 fd00::2 \n';
  t.strictSame(parseSctpEndpoints(eps), [
    { protocol: 'sctp', address: '172.18.0.2', port: 36412, inode: '9001' },
    { protocol: 'sctp', address: 'fd00::2', port: 36412, inode: '9001' },
  ]);
  t.strictSame(parseSctpEndpoints(''), []);
  t.end();
});

t.test('names of interfaces by their index', (t) => {
  const igmp = [
    'Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter',
    '1\tlo        :     1      V3',
    '\t\t\t\t010000E0     1 0:00000000\t\t0',
    '12\teth0      :     1      V3',
    '',
  ].join('\n');
  const inet6 = 'fe800000000000000042acfffe120002 2a 40 20 80     eth1\n';
  t.strictSame(
    [...parseInterfaceNames(igmp, inet6)],
    [
      [1, 'lo'],
      [12, 'eth0'],
      [42, 'eth1'],
    ],
  );
  t.end();
});
