/** Members of ipsets, as `ipset save` of Debian's ipset 7.17 writes them. */
import t from 'tap';
import { readIpSets } from '../../../../src/codec/ip-set-save.js';
import { isInIpSet } from '../../../../src/core/explain/chains/ip-sets.js';
import { markIn } from '../../../../src/core/explain/marks.js';
import { ip } from '../host.js';

const sets = readIpSets(
  [
    'create hosts hash:ip family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x1 timeout 60 counters comment',
    'add hosts 192.0.2.1 timeout 41 packets 0 bytes 0 comment "nomatch me"',
    'add hosts 192.0.2.9',
    'create nets hash:net family inet hashsize 64 maxelem 5',
    'add nets 10.0.0.0/8',
    'add nets 10.1.0.0/16 nomatch',
    'add nets 10.1.2.0/24',
    'add nets 192.0.2.1',
    'create wide hash:net family inet hashsize 64 maxelem 5',
    'add wide 0.0.0.0/0',
    'create six hash:net family inet6 hashsize 64 maxelem 5',
    'add six fd00::/8',
    'create pairs hash:ip,port family inet hashsize 64 maxelem 5',
    'add pairs 192.0.2.1,tcp:80',
    'add pairs 192.0.2.1,udp:53',
    'add pairs 192.0.2.2,icmp:8/0',
    'add pairs 192.0.2.3,89:0',
    'create links hash:net,iface family inet hashsize 64 maxelem 5',
    'add links 192.0.2.0/24,eth0',
    'add links 198.51.100.0/24,physdev:eth0',
    'create marked hash:ip,mark family inet hashsize 64 maxelem 5',
    'add marked 192.0.2.1,0x00000007',
    'create range bitmap:ip range 192.0.2.0-192.0.2.255',
    'add range 192.0.2.1-192.0.2.7',
    'create ports bitmap:port range 0-1000',
    'add ports 80-90',
    'create odd hash:ip family inet netmask 24',
    'add odd 192.0.2.0',
    'create macs hash:mac hashsize 64 maxelem 5',
    'add macs 02:00:00:00:00:01',
    'create two hash:net,net family inet hashsize 64 maxelem 5',
    'add two 192.0.2.0/24,10.0.0.0/8 nomatch',
    'add nobody 192.0.2.1',
    'create bad hash:ip family inet hashsize 1 maxelem 5',
    'add bad x',
    'add bad 1,2',
    '',
  ].join('\n'),
  9,
);

const asked = (
  name: string,
  source: string,
  { destination = '10.1.2.3', directions = 'src,src', protocol = 6, port = 80, mark = 0 } = {},
) =>
  isInIpSet(sets, {
    ...{ kind: 'set', name, directions: directions.split(',') },
    packet: {
      ...{ family: source.includes(':') ? 6 : 4, protocol, mark, inInterface: 'eth0' },
      ...{ source: ip(source), destination: ip(destination) },
      ...{ sourcePort: port, destinationPort: 443 },
    },
  });

t.test('one part', async (t) => {
  t.equal(asked('hosts', '192.0.2.1'), true);
  t.equal(asked('hosts', '192.0.2.2'), false);
  t.equal(asked('hosts', 'fd00::1'), false, 'the other family');
  t.equal(asked('six', 'fd00::1'), true);
  t.equal(asked('nets', '10.9.0.1'), true);
  t.equal(asked('nets', '10.1.0.1'), false, 'nomatch');
  t.equal(asked('nets', '10.1.2.1'), true, 'the smallest network decides');
  t.equal(asked('nets', '192.0.2.1', { directions: 'dst' }), true);
  t.equal(asked('nets', '192.0.2.1'), true, 'an address without a length');
  t.equal(asked('wide', '203.0.113.1'), true);
  t.equal(asked('range', '192.0.2.7'), true);
  t.equal(asked('range', '192.0.2.8'), false);
  t.equal(asked('ports', '192.0.2.8', { port: 85 }), true);
  t.equal(asked('ports', '192.0.2.8', { port: 91 }), false);
});

t.test('several parts', async (t) => {
  t.equal(asked('pairs', '192.0.2.1'), true);
  t.equal(asked('pairs', '192.0.2.1', { protocol: 17 }), false);
  t.equal(asked('pairs', '192.0.2.1', { protocol: 17, port: 53 }), true);
  t.equal(asked('pairs', '192.0.2.1', { directions: 'src,dst' }), false);
  t.equal(asked('links', '192.0.2.1'), true);
  t.equal(asked('links', '192.0.2.1', { directions: 'src,dst' }), false, 'no way out yet');
  t.equal(asked('marked', '192.0.2.1', { mark: 7 }), true);
  t.equal(asked('marked', '192.0.2.1'), false);
  t.equal(asked('two', '192.0.2.1', { directions: 'src,src' }), false);
});

t.test('what nobody can say', async (t) => {
  t.equal(asked('none', '192.0.2.1'), undefined);
  t.equal(asked('odd', '192.0.2.1'), undefined, 'an option that is not understood');
  t.equal(asked('macs', '192.0.2.1'), undefined);
  t.equal(asked('bad', '192.0.2.1'), undefined);
  t.equal(asked('links', '198.51.100.1'), undefined, 'a port of a bridge');
  t.equal(asked('pairs', '192.0.2.1', { protocol: 1 }), undefined, 'a packet without ports');
  t.equal(asked('two', '192.0.2.1', { directions: 'src,dst' }), undefined);
  const long = readIpSets(
    'create a hash:ip family inet\nadd a 192.0.2.1\nadd a 192.0.2.2\nadd a 192.0.2.3',
    1,
  );
  t.strictSame(long, [{ name: 'a', type: 'hash:ip', family: 4, isUnread: true, entries: [] }]);
});

t.test('marks of programs in comments', async (t) => {
  t.equal(markIn('password of wg-quick(8) rule'), 'wg-quick(8)');
  t.equal(markIn('generated for LXD network x'), 'generated for LXD');
  t.equal(markIn('password'), undefined);
});
