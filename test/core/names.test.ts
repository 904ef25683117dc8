import t from 'tap';
import {
  networkIdBytes,
  parseInterfaceName,
  parseInterfacePrefix,
  parseNetworkId,
} from '../../src/core/names.js';

t.test(
  'an interface may have any name that the kernel allows and no program misreads',
  async (t) => {
    const good = [
      'br0',
      'a',
      'br-0.1@x',
      'br~lan',
      'brücke',
      '漢字漢字漢',
      'b+r',
      'b!r',
      'b{r};$(x)',
      'b,r=*?',
    ];
    for (const name of good) t.equal(parseInterfaceName(name), name);
  },
);

t.test('names that the kernel refuses are no interface names', async (t) => {
  const bad = ['', '.', '..', 'all', 'default', 'a/b', 'a:b', 'a b', 'a\tb', 'a\nb', 'br%d'];
  for (const name of [...bad, '0123456789abcdef', '漢字漢字漢字']) {
    t.equal(parseInterfaceName(name), undefined, JSON.stringify(name));
  }
});

t.test('names that another program would misread are no interface names', async (t) => {
  const bad = [
    'br+',
    '-br',
    '!br',
    'b"r',
    "b'r",
    'b#r',
    'b\\r',
    'b\u0000',
    'b\u001b[m',
    'b\u202er',
    'b\u00a0r',
  ];
  for (const name of bad) t.equal(parseInterfaceName(name), undefined, JSON.stringify(name));
});

t.test('a prefix of interface names leaves room for three digits', async (t) => {
  for (const prefix of ['eth', 'lan-', 'abcdefghijkl', 'üüüüüü']) {
    t.equal(parseInterfacePrefix(prefix), prefix);
  }
  for (const prefix of ['', 'eth0', 'abcdefghijklm', 'üüüüüüü', 'a b', '-a']) {
    t.equal(parseInterfacePrefix(prefix), undefined, prefix);
  }
});

t.test('a network has an id of the engine or of swarm, and bytes of it', async (t) => {
  const bytes = (text: string) => {
    const id = parseNetworkId(text);
    return id === undefined ? undefined : [...networkIdBytes(id)];
  };
  t.strictSame(bytes('0123456789abcdef'.repeat(4)), [0x01, 0x23, 0x45, 0x67]);
  t.strictSame(bytes('000000000000000000000zik0'), [0, 0x19, 0x48, 0xb0], 'zik0 is 0x1948b0');
  t.not(String(bytes('umdioovume3vz36hn2qq4yu8c')), String(bytes('umdioovume3vz36hn2qq4yu8d')));
  for (const bad of [
    '',
    '0'.repeat(24),
    '0'.repeat(26),
    '0'.repeat(63),
    'A'.repeat(25),
    '../'.repeat(8),
  ]) {
    t.equal(bytes(bad), undefined, bad);
  }
});
