/** Diffs of rules: what patch(1) would make of them is what is wanted. */
import fc from 'fast-check';
import t from 'tap';
import { diffChains } from '../../src/cli/diff/chains.js';
import { unifiedDiff } from '../../src/cli/diff/unified.js';
import { parseSave } from '../../src/codec/iptables/iptables-save.js';

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => String(from + index));

t.test('hunks with three lines around them, and their places as diff(1) writes them', async (t) => {
  const before = numbers(1, 20);
  const after = [...numbers(1, 4), 'new', ...numbers(5, 14), ...numbers(16, 20)];
  t.strictSame(unifiedDiff(before, after), [
    '@@ -2,6 +2,7 @@',
    ...[' 2', ' 3', ' 4', '+new', ' 5', ' 6', ' 7'],
    '@@ -12,7 +13,6 @@',
    ...[' 12', ' 13', ' 14', '-15', ' 16', ' 17', ' 18'],
  ]);
  t.strictSame(unifiedDiff([], ['a']), ['@@ -0,0 +1,1 @@', '+a']);
  t.strictSame(unifiedDiff(['a'], []), ['@@ -1,1 +0,0 @@', '-a']);
  t.strictSame(unifiedDiff(['a'], ['a']), []);
  t.strictSame(unifiedDiff(['a', 'b'], ['b', 'a']), ['@@ -1,2 +1,2 @@', ...['+b', ' a', '-b']]);
});

t.test('applied, it gives what is wanted, whatever was changed', async () => {
  const text = fc.constantFrom('a', 'b', 'c', 'd');
  const changes = fc.array(
    fc.record({ at: fc.nat(12), op: fc.constantFrom('add', 'remove'), text }),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(fc.array(text, { maxLength: 12 }), changes, (before, list) => {
      const after = [...before];
      for (const { at, op, text } of list) {
        if (op === 'add') after.splice(Math.min(at, after.length), 0, text);
        else after.splice(at, 1);
      }
      return String(patched(before, unifiedDiff(before, after))) === String(after);
    }),
  );
});

/** As patch(1) does it. */
function patched(before: readonly string[], diff: readonly string[]): string[] {
  const after: string[] = [];
  let old = 0;
  for (const line of diff) {
    const place = /^@@ -(\d+),(\d+) /.exec(line);
    if (place !== null) {
      const start = Number(place[1]) - (place[2] === '0' ? 0 : 1);
      after.push(...before.slice(old, start));
      old = start;
    } else if (line.startsWith('+')) after.push(line.slice(1));
    else {
      if (line.startsWith(' ')) after.push(line.slice(1));
      old += 1;
    }
  }
  return [...after, ...before.slice(old)];
}

t.test('rules as iptables-save prints them, chain by chain', async (t) => {
  const found = parseSave(
    [
      '*nat',
      ':PREROUTING ACCEPT [0:0]',
      ':DOCKER - [0:0]',
      '-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER',
      '-A DOCKER -i br-x -j RETURN',
      '-A DOCKER -p tcp -j ACCEPT',
      'COMMIT',
      '*filter',
      ':FORWARD ACCEPT [0:0]',
      'COMMIT',
      '',
    ].join('\n'),
  );
  const nat = { table: 'nat', chain: 'DOCKER' };
  const diffs = diffChains(found, [
    { op: 'delete', ...nat, text: '-p tcp -j ACCEPT' },
    { op: 'insert', ...nat, text: '-i br-y -j RETURN', position: 0 },
    { op: 'create-chain', table: 'filter', chain: 'DOCKER-USER' },
    { op: 'append', table: 'filter', chain: 'DOCKER-USER', text: '-j RETURN' },
    { op: 'policy', table: 'filter', chain: 'FORWARD' },
  ]);
  t.strictSame(diffs, [
    {
      ...nat,
      lines: [
        '@@ -1,3 +1,3 @@',
        ' :DOCKER -',
        '+-A DOCKER -i br-y -j RETURN',
        ' -A DOCKER -i br-x -j RETURN',
        '--A DOCKER -p tcp -j ACCEPT',
      ],
    },
    {
      table: 'filter',
      chain: 'DOCKER-USER',
      lines: ['@@ -0,0 +1,2 @@', '+:DOCKER-USER -', '+-A DOCKER-USER -j RETURN'],
    },
    {
      table: 'filter',
      chain: 'FORWARD',
      lines: ['@@ -1,1 +1,1 @@', '-:FORWARD ACCEPT', '+:FORWARD DROP'],
    },
  ]);
  t.strictSame(
    diffChains(found, [{ op: 'delete-chain', ...nat }]).map(({ lines }) => lines.length),
    [4],
  );
});
