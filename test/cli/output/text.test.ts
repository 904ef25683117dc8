/** Text of others cannot steer a terminal, whatever it holds and however it is put together. */
import fc from 'fast-check';
import t from 'tap';
import {
  fit,
  fitJson,
  fitLines,
  joined,
  plain,
  redrawn,
  styled,
  widthOf,
  wrapped,
} from '../../../src/cli/output/fit.js';
import { paintFor } from '../../../src/cli/output/style.js';
import { table } from '../../../src/cli/output/table.js';

const anything = fc
  .array(fc.integer({ min: 0, max: 0x10ffff }), { maxLength: 20 })
  .map((codes) => String.fromCodePoint(...codes));
const control = /[\p{Cc}\p{Cf}\u2028\u2029]/u;

t.test('control characters and those that turn text around are escaped', async (t) => {
  t.equal(
    String(fit('a\u001b[2Jb\u009b1m\n\u202ec\ud800')),
    'a\\u001b[2Jb\\u009b1m\\u000a\\u202ec\\ud800',
  );
  t.equal(
    String(fit('we\u00adb\u206a\ufff9\u{e0041}')),
    'we\\u00adb\\u206a\\ufff9\\udb40\\udc41',
    'nothing invisible makes one name look like another',
  );
  t.equal(String(fit('Grüße, 東京 – ok')), 'Grüße, 東京 – ok');
  t.equal(String(plain`name: ${'x\u0007'}\n`), 'name: x\\u0007\n', 'its own line break stays');
  t.equal(String(plain`${plain`a\n`}${1}`), 'a\n1', 'what is fit is not escaped again');
  t.equal(String(fitLines('a\nb\r')), 'a\nb\\u000d');
  fc.assert(fc.property(anything, (text) => !control.test(String(fit(text)))));
  fc.assert(
    fc.property(anything, (text) => {
      const shown = String(plain`<${text}>`);
      return !control.test(shown) && !control.test(String(joined([fit(text)], ' ')));
    }),
  );
});

t.test('JSON is escaped and still the same document', async () => {
  fc.assert(
    fc.property(fc.dictionary(anything, anything), (value) => {
      const text = String(fitJson(value, 2));
      const same = JSON.stringify(JSON.parse(text)) === JSON.stringify(value);
      return same && !control.test(text.replaceAll('\n', ''));
    }),
  );
});

t.test('widths are those of a terminal', async (t) => {
  t.equal(widthOf(fit('東京')), 4);
  t.equal(widthOf(styled('red', fit('ab'))), 2, 'colours take no columns');
  t.strictSame(wrapped(fit('aa bb cc'), 5).map(String), ['aa bb', 'cc']);
  t.equal(String(redrawn(plain`a\nb\n`)), '\u001b[Ha\u001b[K\nb\u001b[K\n\u001b[J');
});

t.test('colour is for terminals, and for who asks for it', async (t) => {
  const out = { out: () => undefined, err: () => undefined };
  const painted = (environment: Record<string, string>, width?: number, choice = 'auto' as const) =>
    String(paintFor({ ...out, environment, width }, choice)('red', 'x')) !== 'x';
  t.equal(painted({}, 80), true);
  t.equal(painted({}), false, 'no terminal');
  t.equal(painted({ NO_COLOR: '1' }, 80), false);
  t.equal(painted({ TERM: 'dumb' }, 80), false);
  t.equal(painted({ FORCE_COLOR: '1' }), true);
  t.equal(painted({ FORCE_COLOR: '0' }, 80), false);
  const always = paintFor({ ...out, environment: { NO_COLOR: '1' } }, 'always');
  t.not(String(always('red', 'x')), 'x');
  t.equal(String(paintFor({ ...out, environment: {}, width: 80 }, 'never')('red', fit('x'))), 'x');
});

interface Row {
  readonly name: string;
  readonly size: number;
}
const columns = [
  { key: 'name', title: 'NAME', about: '', rank: 0, cell: ({ name }: Row) => name },
  {
    key: 'size',
    title: 'SIZE',
    about: '',
    rank: 2,
    align: 'right' as const,
    cell: ({ size }: Row) => String(size),
  },
  { key: 'more', title: 'MORE', about: '', rank: 1, cell: () => 'm'.repeat(20) },
  { key: 'rare', title: 'RARE', about: '', rank: 9, wide: true, cell: () => 'r' },
];
const rows: Row[] = [
  { name: 'a', size: 5 },
  { name: 'long-name', size: 1234 },
];
const wishes = { width: undefined, wide: false, columns: undefined, header: true };

t.test('a table leaves columns out until it fits, and never cuts what is in them', async (t) => {
  const lines = (text: unknown) => String(text).split('\n');
  t.strictSame(lines(table(rows, columns, wishes)), [
    'NAME       SIZE  MORE',
    `a             5  ${'m'.repeat(20)}`,
    `long-name  1234  ${'m'.repeat(20)}`,
    '',
  ]);
  t.equal(lines(table(rows, columns, { ...wishes, width: 35 }))[0], 'NAME       MORE');
  t.equal(lines(table(rows, columns, { ...wishes, width: 5 }))[0], 'NAME');
  t.match(lines(table(rows, columns, { ...wishes, wide: true, width: 5 }))[0], /RARE$/);
  const chosen = { ...wishes, columns: ['size', 'name'], header: false };
  t.strictSame(lines(table(rows, columns, chosen)), ['   5  a', '1234  long-name', '']);
  t.equal(String(table([], columns, { ...wishes, header: false })), '');
  const filled = (said: string) => ({
    ...columns[0],
    key: 'said',
    title: 'SAID',
    cell: () => said,
  });
  const heads = (said: string) =>
    lines(
      table(
        rows,
        [...columns.slice(0, 2), { ...filled(said), rank: 0, about: '', ifFilled: true }],
        wishes,
      ),
    )[0];
  t.equal(heads(''), 'NAME       SIZE', 'what nobody has asked for is no column');
  t.equal(heads('yes'), 'NAME       SIZE  SAID');
});
