/** How scripts/test counts. */
import t from 'tap';
import { uncovered } from '../../scripts/tests/coverage.js';
import { chosenParts, parts } from '../../scripts/tests/parts.js';
import { TapResults } from '../../scripts/tests/results.js';

function read(...lines: readonly string[]): TapResults {
  const results = new TapResults();
  // In pieces that end anywhere, as a pipe gives them.
  for (const piece of `${lines.join('\n')}\n`.match(/[\s\S]{1,7}/g) ?? []) results.write(piece);
  results.end();
  return results;
}

t.test('each assertion counts once, whatever it lies in', async (t) => {
  const results = read(
    'TAP version 14',
    '# Subtest: test/a.test.ts',
    '    # Subtest: outer',
    '        # Subtest: inner',
    '            ok 1 - one',
    '            not ok 2 - two',
    '            1..2',
    '        not ok 1 - inner',
    '        ok 2 - three',
    '        1..2',
    '    not ok 1 - outer',
    '    1..1',
    'not ok 1 - test/a.test.ts # time=3.1ms',
    '# Subtest: test/b.test.ts',
    '    ok 1 - four',
    '    ok 2 - five # SKIP needs root',
    '    ok 3 - six # TODO later',
    '    # Subtest: seven',
    '        1..0',
    '    ok 4 - seven',
    '    1..4',
    'ok 2 - test/b.test.ts # time=1ms',
    '1..2',
    '# { total: 6, pass: 5, fail: 1 }',
  );
  t.strictSame(results.faults, []);
  t.strictSame(results.failedFiles(), ['test/a.test.ts']);
  t.strictSame(results.totals(), {
    passed: 4,
    failed: 1,
    skipped: 2,
    failures: ['test/a.test.ts › outer › inner › two'],
  });
});

t.test('a run that tap gives up is no file, and has to be repeated', async (t) => {
  const results = read(
    '# Subtest: test/a.test.ts',
    '    ok 1 - one',
    '    1..1',
    'ok 1 - test/a.test.ts # time=1ms',
    'not ok 2 - timeout!',
    '1..2',
  );
  t.equal(results.cut, true);
  t.strictSame([...results.files.keys()], ['test/a.test.ts']);
  t.strictSame(results.failedFiles(), []);
});

t.test('a file that fails without a failed assertion counts as one failure', async (t) => {
  const results = read(
    '# Subtest: test/a.test.ts',
    '    ok 1 - one',
    '    1..1',
    'not ok 1 - test/a.test.ts # time=1ms',
    '  ---',
    '  exitCode: 1',
    '  ...',
    'not ok 2 - test/b.test.ts',
    '1..2',
  );
  t.strictSame(results.failedFiles(), ['test/a.test.ts', 'test/b.test.ts']);
  t.match(results.totals(), { passed: 1, failed: 2 });
});

t.test('what a test prints is no result', async (t) => {
  const results = read(
    '# Subtest: test/a.test.ts',
    '    ok 1 - one',
    '      ---',
    '      output: |',
    '        not ok 7 - quoted',
    '      ...',
    '    1..1',
    'ok 1 - test/a.test.ts',
    'File | % Lines',
    '1..1',
  );
  t.strictSame(results.totals(), { passed: 1, failed: 0, skipped: 0, failures: [] });
});

t.test('output that breaks off, or gives up, is a fault', async (t) => {
  const broken = read('# Subtest: test/a.test.ts', '    ok 1 - one');
  t.strictSame(broken.faults[0], 'the output breaks off in test/a.test.ts');
  t.equal(read('1..3', 'ok 1 - test/a.test.ts').faults.length > 0, true, 'two are missing');
  t.match(read('ok 1 - test/a.test.ts', 'Bail out! no memory').faults, [/bailed out: no memory/]);
});

t.test('pure code that is not covered is named', async (t) => {
  const lines = (covered: number) => ({ lines: { total: 10, covered } });
  const summary = { total: lines(5), '/r/src/core/a.ts': lines(10), '/r/src/host/c.ts': lines(1) };
  t.strictSame(uncovered({ ...summary, '/r/src/codec/b.ts': lines(10) }, '/r'), []);
  t.strictSame(uncovered({ ...summary, '/r/src/codec/b.ts': lines(8) }, '/r'), [
    'src/codec/b.ts: 2 lines are not covered',
  ]);
  t.strictSame(uncovered(summary, '/r'), ['src/codec/ is not in the summary of coverage']);
});

t.test('parts run in their order, and unknown ones are named', async (t) => {
  t.strictSame(chosenParts([]), parts);
  t.strictSame(
    chosenParts(['fuzz', 'lint']).map(({ name }) => name),
    ['lint', 'fuzz'],
  );
  t.throws(() => chosenParts(['lnt']), /unknown part lnt: lint, unit/);
});
