/** Files of `EnvironmentFile=`, each line as systemd.exec(5) describes it. */
import t from 'tap';
import { parseEnvironmentFile } from '../../src/codec/environment-file.js';

const cases: [string, string, Record<string, string>][] = [
  ['an empty file', '', {}],
  ['names and values', 'A=1\nB_2 = x y \n', { A: '1', B_2: 'x y' }],
  ['the last line of a name', 'A=1\nA=\n', { A: '' }],
  ['comments of both kinds', '# A=1\n ; A=1\n#\\\nA=2\n', { A: '2' }],
  ['other lines', 'export A=1\n1A=2\nA\n=3\n', {}],
  ['single quotation marks', `A='a\\b "c"'\n`, { A: 'a\\b "c"' }],
  ['double ones', `A="a\\"b\\\\ \\n '"\n`, { A: `a"b\\ \\n '` }],
  ['several parts', `A='a' "b"c\\ d\n`, { A: 'abc d' }],
  ['quotation marks within a value', `A=it's "b"\nB=don't\n`, { A: `it's "b"`, B: "don't" }],
  ['several lines', `A='a\nB=b'\nC="c\nd"\n`, { A: 'a\nB=b', C: 'c\nd' }],
  ['a line that goes on', 'A=a\\\nb\nB="c\\\nd"\n', { A: 'ab', B: 'cd' }],
  ['a quotation mark without its other one', `A=1\nB="a\nC='b\n`, { A: '1', B: "a\nC='b\n" }],
  ['a blank that counts', 'A=a\\  \n', { A: 'a ' }],
  ['blanks after a backslash that counts', 'A=a\\\\\\ \n', { A: 'a\\ ' }],
  ['lines of Windows', 'A=a\\\r\nB="b\\\r\nc"\r\n', { A: 'a', B: 'b\\\r\nc' }],
  ['what is no name, with its lines', "export A='x\nB=2'\n=1\nC=3\n", { C: '3' }],
  ['nothing after the last backslash', 'A=1\\', { A: '1' }],
];
for (const [name, text, variables] of cases) {
  t.strictSame(parseEnvironmentFile(text), variables, name);
}

t.test('blanks within a value take no time that grows with their square', (t) => {
  const value = `a${' '.repeat(500_000)}b`;
  t.strictSame(parseEnvironmentFile(`A=${value}\n`), { A: value });
  t.end();
});
