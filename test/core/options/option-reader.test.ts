import fc from 'fast-check';
import t from 'tap';
import {
  OptionReader,
  optionOf,
  parseBoolean,
  parseInteger,
} from '../../../src/core/options/option-reader.js';
import { Problems, show, showId } from '../../../src/core/problems.js';
import { messageFrom } from '../../fakes/inputs.js';

t.test("booleans are Go's ParseBool", async (t) => {
  for (const text of ['1', 't', 'T', 'TRUE', 'true', 'True'])
    t.equal(parseBoolean(text), true, text);
  for (const text of ['0', 'f', 'F', 'FALSE', 'false', 'False'])
    t.equal(parseBoolean(text), false, text);
  for (const text of ['', 'yes', 'tRUE', ' true', 'on', '01'])
    t.equal(parseBoolean(text), undefined, text);
});

t.test("integers are Go's Atoi", async (t) => {
  t.equal(parseInteger('+0400'), 400);
  t.equal(parseInteger('-1'), -1);
  t.equal(Object.is(parseInteger('-0'), 0), true);
  for (const text of [
    '',
    '+',
    '1.0',
    '1e3',
    '0x10',
    ' 1',
    '1_000',
    '9'.repeat(19),
    '9'.repeat(30),
  ]) {
    t.equal(parseInteger(text), undefined, text);
  }
  fc.assert(fc.property(fc.maxSafeInteger(), (value) => parseInteger(`${value}`) === value + 0));
});

t.test('an option may be a JSON boolean or number; a list is a problem', async (t) => {
  const problems = new Problems();
  const read = new OptionReader({ yes: true, number: 7, none: null, list: [] }, problems);
  t.equal(read.boolean('yes'), true);
  t.equal(read.integer('number'), 7);
  t.equal(read.text('none'), undefined);
  t.equal(read.address('absent'), undefined);
  t.equal(read.integer('list'), undefined);
  const message = messageFrom(() => problems.resolve(1, 'options-invalid', 'reading'));
  t.equal(message, 'reading: failed to parse list value: [] (not a string)');
  t.equal(optionOf({}, 'toString'), undefined);
});

t.test('problems are listed up to twenty, and counted beyond', async (t) => {
  const problems = new Problems();
  t.equal(problems.resolve('fine', 'options-invalid', 'x'), 'fine');
  for (let index = 1; index <= 20; index += 1) problems.add(`p${index}`);
  t.match(
    messageFrom(() => problems.resolve(1, 'options-invalid', 'x')),
    /^x: 20 problems: \(1\) p1; .*\(20\) p20$/,
  );
  problems.add(() => String(t.fail('not shown, so not put together')));
  t.match(
    messageFrom(() => problems.resolve(1, 'options-invalid', 'x')),
    /p20; and 1 more$/,
  );
});

t.test('values in messages are shown on one line and cut', async (t) => {
  t.equal(show('plain-word.1'), 'plain-word.1');
  t.equal(show(''), '""');
  t.equal(show('two words'), '"two words"');
  t.equal(show('a\nb'), '"a\\nb"');
  t.equal(show('\u202e\u009b'), '"\\u202e\\u009b"');
  t.equal(show(undefined), 'undefined');
  t.equal(show({ a: 1 }), '{"a":1}');
  t.equal(show('x'.repeat(200)).length, 101);
  t.equal(show(JSON.parse('['.repeat(20_000) + ']'.repeat(20_000))), '(nested too deeply)');
  t.equal(showId('a'.repeat(64)), 'aaaaaaaaaaaa');
  fc.assert(
    fc.property(
      fc.array(fc.nat(0xffff)).map((codes) => String.fromCharCode(...codes)),
      (text) => /^[^\p{Cc}]*$/u.test(show(text)),
    ),
  );
});
