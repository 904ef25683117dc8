import t from 'tap';
import { parseInterfaceName, parseInterfacePrefix } from '../../src/core/names.js';

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
