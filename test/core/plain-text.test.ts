import t from 'tap';
import { plainText } from '../../src/core/plain-text.js';

t.test('what a terminal would obey is replaced', async (t) => {
  t.equal(plainText('web-1'), 'web-1');
  t.equal(plainText('größe 猫'), 'größe 猫');
  t.equal(plainText('a\x1b[2Jb\nc\x9b'), 'a\uFFFD[2Jb\uFFFDc\uFFFD');
  t.equal(plainText('left\u202Eright\u200B\u2028\u2029'), 'left\uFFFDright\uFFFD\uFFFD\uFFFD');
  t.equal(plainText('a\u00A0b\u3000c'), 'a b c');
  t.equal(plainText('\uD800'), '\uFFFD', 'half of a character');
});

t.test('what is too long is cut between characters', async (t) => {
  t.equal(plainText('abcdef', 6), 'abcdef');
  t.equal(plainText('abcdefg', 6), 'abcde…');
  t.equal(plainText('😀😀😀', 3), '😀😀😀');
  t.equal(plainText('😀😀😀😀', 3), '😀😀…');
  t.equal([...plainText('x'.repeat(1_000_000))].length, 255);
});
