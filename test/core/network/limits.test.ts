import t from 'tap';
import * as limits from '../../../src/core/network/limits.js';

t.test('rates and buckets are read and written alike', async (t) => {
  for (const [text, rate] of [
    ['64kbit', 64_000],
    ['64000bit', 64_000],
    ['1.5mbit', 1_500_000],
    ['1000mbit', 1_000_000_000],
    ['400gbit', 400_000_000_000],
    ['none', 'none'],
  ] as const) {
    t.equal(limits.parseRate(text), rate, text);
  }
  for (const text of [
    '',
    '10',
    '10m',
    '10Mbit',
    '0mbit',
    '63kbit',
    '401gbit',
    '-1mbit',
    '1e3mbit',
    '10 mbit',
  ]) {
    t.equal(limits.parseRate(text), undefined, text);
  }
  for (const [text, bytes] of [
    ['2k', 2_048],
    ['32k', 32_768],
    ['64m', 67_108_864],
    ['40000', 40_000],
  ] as const) {
    t.equal(limits.parseBurst(text), bytes, text);
  }
  for (const text of ['', '1k', '2047', '65m', '1.5m', '32K', '1g']) {
    t.equal(limits.parseBurst(text), undefined, text);
  }
  t.strictSame([64_000, 1_500_000, 999_999_999, 10_000_000_000, 12].map(limits.rateText), [
    '64kbit',
    '1.5mbit',
    '999.999999mbit',
    '10gbit',
    '12bit',
  ]);
  t.strictSame([32_768, 1_048_576, 40_000].map(limits.burstText), ['32k', '1m', '40000']);
});

t.test('the most particular counts, and a rate brings its own bucket', async (t) => {
  const network = { down: { rate: 10_000_000, burst: 65_536 }, up: { rate: 1_000_000_000 } };
  t.strictSame(limits.limitsOf([]), {});
  t.strictSame(limits.limitsOf([network]), {
    down: { rate: 10_000_000, burst: 65_536 },
    up: { rate: 1_000_000_000, burst: 1_250_000 },
  });
  t.strictSame(
    limits.limitsOf([network, { down: { rate: 20_000_000 }, up: { burst: 2_000_000 } }]),
    { down: { rate: 20_000_000, burst: 25_000 }, up: { rate: 1_000_000_000, burst: 2_000_000 } },
  );
  t.strictSame(limits.limitsOf([network, { down: { rate: 'none' }, up: { rate: 'none' } }]), {});
  t.strictSame(limits.limitsOf([{ down: { burst: 65_536 } }]), {}, 'a bucket alone limits nothing');
  t.equal(limits.limitsOf([{ up: { rate: 64_000, burst: 1_048_576 } }]).up?.burst, 480_000, '60 s');
  t.equal(limits.limitsOf([{ up: { rate: 64_000 } }]).up?.burst, 6_144, 'four frames');
  t.equal(limits.limitsOf([{ up: { rate: 64_000 } }], 65_535).up?.burst, 65_549, 'a large frame');
  t.equal(limits.limitsOf([{ up: { rate: 400_000_000_000 } }]).up?.burst, 67_108_864);
});

t.test('what is said later is merged', async (t) => {
  const earlier = { down: { rate: 1_000_000, burst: 65_536 } };
  t.strictSame(limits.mergeGiven(earlier, {}), earlier);
  t.strictSame(limits.mergeGiven({}, earlier), earlier);
  t.strictSame(limits.mergeGiven(earlier, { down: { burst: 40_000 } }), {
    down: { rate: 1_000_000, burst: 40_000 },
  });
  t.strictSame(limits.mergeGiven(earlier, { down: { rate: 'none' }, up: { rate: 64_000 } }), {
    down: { rate: 'none' },
    up: { rate: 64_000 },
  });
});
