import fc from 'fast-check';
import t from 'tap';
import { parseJson } from '../../../src/frontends/libnetwork/json.js';
import { messageFrom } from '../../fakes/inputs.js';

t.test('is JSON.parse for everything that engines send', async (t) => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.integer({ min: 0, max: 2 }), (value, indent) => {
      t.strictSame(
        parseJson(JSON.stringify(value, null, indent)),
        JSON.parse(JSON.stringify(value)),
      );
    }),
  );
  t.strictSame(parseJson('{"a":"[[[{{\\"{\\\\"}\n'), { a: '[[[{{"{\\' });
});

t.test('JSON without a value is refused', async (t) => {
  for (const text of ['', ' ', '\n', '\r\n\t ']) t.equal(parseJson(text), undefined);
});

t.test('a text that is no JSON is refused', async (t) => {
  for (const text of ['{', '}', '[1,]', '"', '"\\', 'x', '{"a":1}x', "{'a':1}"]) {
    t.match(
      messageFrom(() => parseJson(text)),
      /^the body is not JSON: /,
      text,
    );
  }
});

t.test('depth and number are bounded before anything is built', async (t) => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
  t.type(parseJson(nested(32)), Array);
  const deep = /^the body has too many levels: at most 32 are accepted$/;
  t.match(
    messageFrom(() => parseJson(nested(33))),
    deep,
  );
  t.match(
    messageFrom(() => parseJson('['.repeat(10_000_000))),
    deep,
  );
  t.match(
    messageFrom(() => parseJson('{"a":'.repeat(1000))),
    deep,
  );
  t.type(parseJson(`[${'[],'.repeat(100)}0]`), Array, 'depth is not number');
  const many = /^the body has too many values: at most 700000 are accepted$/;
  t.match(
    messageFrom(() => parseJson(`[${'0,'.repeat(3_000_000)}0]`)),
    many,
  );
  t.match(
    messageFrom(() => parseJson(`[${'{},'.repeat(2_000_000)}0]`)),
    many,
  );
  t.equal(parseJson(`"${','.repeat(3_000_000)}"`), ','.repeat(3_000_000), 'text is no structure');
});
