import t from 'tap';
import { wholeLines } from '../../../src/codec/iptables/save-lines.js';

t.test('a comment can have a line break', async (t) => {
  const text = '*filter\n-A INPUT -m comment --comment "one\ntwo \\" three" -j DROP\nCOMMIT';
  t.strictSame(
    [...wholeLines(text)],
    ['*filter', '-A INPUT -m comment --comment "one\ntwo \\" three" -j DROP', 'COMMIT'],
  );
});

t.test('a stray quote hides no rules for ever', async (t) => {
  const many = Array.from({ length: 400 }, (_, index) => `-A INPUT -s 192.0.2.${index} -j DROP`);
  t.equal([...wholeLines(['-A INPUT -j "', ...many].join('\n'))].length > 300, true);
});
