import t from 'tap';
import { generationNames } from '../../../../src/core/generations/generation.js';
import { isTranslated, sharingOf } from '../../../../src/core/generations/ports/udp-sockets.js';
import { makeBinding } from '../../../golden/golden.js';

const udp = (host: string) => makeBinding(host, '10.5.0.2:53', 'udp');

t.test('each generation binds UDP ports as its engine does', async (t) => {
  const each = (host: string) => generationNames.map((name) => sharingOf(name, udp(host)));
  t.same(each('0.0.0.0:5353'), [undefined, undefined, 'if-held', undefined]);
  for (const multicast of ['224.0.0.251:5353', '239.255.255.255:1', '[ff02::fb]:5353']) {
    t.same(each(multicast), ['any-address', 'any-address', 'if-held', undefined], multicast);
  }
  for (const other of ['223.255.255.255:1', '240.0.0.1:1', '[fe80::1]:1', '[::]:1']) {
    t.equal(sharingOf('docker20', udp(other)), undefined, other);
  }
  const tcp = makeBinding('224.0.0.251:5353', '10.5.0.2:53');
  t.same(
    generationNames.map((name) => sharingOf(name, tcp)),
    Array(4).fill(undefined),
    'TCP',
  );
});

t.test('a port that a rule leads to a container is not another program’s', async (t) => {
  const rule = '! -i docker0 -p udp -m udp --dport 5353 -j DNAT --to-destination 172.17.0.2:53';
  const onOne = `-d 192.0.2.1/32 ${rule}`;
  t.ok(isTranslated([rule], udp('0.0.0.0:5353')));
  t.ok(isTranslated([rule], udp('192.0.2.9:5353')), 'on every address');
  t.ok(isTranslated([onOne], udp('0.0.0.0:5353')));
  t.ok(isTranslated([onOne], udp('192.0.2.1:5353')));
  t.notOk(isTranslated([onOne], udp('192.0.2.9:5353')), 'on another address');
  t.notOk(isTranslated([rule], udp('0.0.0.0:535')), 'another port');
  t.notOk(isTranslated([rule], makeBinding('0.0.0.0:5353', '10.5.0.2:53')), 'another protocol');
  t.notOk(
    isTranslated(['-i docker0 -j RETURN', rule.replace('DNAT', 'RETURN')], udp('0.0.0.0:5353')),
  );
});
