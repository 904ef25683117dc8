/** Tables of nft's own in a bundle: what decides about packets, and nothing that people write. */
import fc from 'fast-check';
import t from 'tap';
import { allowNative } from '../../../src/operator/diags/native-rules.js';

const of = { family: 'inet', table: 'my' };
const match = (right: unknown) => ({
  match: { op: '==', left: { payload: { protocol: 'ip', field: 'saddr' } }, right },
});
const table = (secret: string) => [
  {
    objects: [
      { table: { family: 'inet', name: 'my', handle: 1, comment: secret } },
      { chain: { ...of, name: 'f', type: 'filter', hook: 'forward', prio: -5, policy: 'drop' } },
      {
        set: {
          ...{ ...of, name: 's', type: 'ipv4_addr', flags: ['interval'], comment: secret },
          elem: [
            { elem: { val: { prefix: { addr: '10.0.0.0', len: 8 } }, comment: secret } },
            { range: ['192.0.2.1', '192.0.2.9'] },
            `${secret} with spaces`,
          ],
        },
      },
      {
        rule: {
          ...{ ...of, chain: 'f', handle: 4, comment: secret },
          expr: [
            match('@s'),
            match({ set: ['eth*', 7, `${secret} !`] }),
            { strange: { text: `${secret} !` } },
            { log: { prefix: 'in: ', level: 'warn' } },
            { drop: null },
          ],
        },
      },
      { rule: { ...of, chain: 'f', handle: 5, comment: `wg-quick(8) ${secret}`, expr: [] } },
    ],
    rules: [
      { handle: 4, text: `iifname "eth*" ip saddr @s log prefix "in: " drop comment "${secret}"` },
      { handle: 5, text: `accept comment "wg-quick(8) ${secret}"` },
      { handle: 6, text: `strange "${secret} x" accept` },
      { handle: 7, text: `broken " ${secret}` },
    ],
  },
];

t.test('comments, and texts that are no names, are withheld', async (t) => {
  const { value, withheld } = allowNative(table('pass word')) ?? { value: [], withheld: new Map() };
  t.match(value, [
    {
      objects: [
        { table: { name: 'my', comment: 'withheld' } },
        { chain: { prio: -5, policy: 'drop' } },
        {
          set: {
            comment: 'withheld',
            elem: [
              { elem: { val: { prefix: { addr: '10.0.0.0', len: 8 } }, comment: 'withheld' } },
              { range: ['192.0.2.1', '192.0.2.9'] },
              { withheld: null },
            ],
          },
        },
        {
          rule: {
            expr: [
              { match: { op: '==', right: '@s' } },
              { match: { right: { set: ['eth*', 7, { withheld: null }] } } },
              { withheld: null },
              { log: { prefix: 'in: ' } },
              { drop: null },
            ],
          },
        },
        { rule: { comment: 'wg-quick(8)' } },
      ],
      rules: [
        { text: 'iifname "eth*" ip saddr @s log prefix "in: " drop comment "withheld"' },
        { text: 'accept comment "wg-quick(8)"' },
        { text: 'strange "withheld" accept' },
        { text: 'withheld' },
      ],
    },
  ]);
  t.strictSame(Object.fromEntries(withheld), {
    ...{ comment: 5, elements: 2, statements: 1, texts: 3, rules: 1 },
  });
  t.equal(allowNative(value)?.withheld.size, 0, 'what was written is taken as it is');
});

t.test('planted secrets never appear', async (t) => {
  const characters = [...'abcABC0189_-!$%/.= '];
  const secret = fc
    .array(fc.constantFrom(...characters), { minLength: 12, maxLength: 40 })
    .map((all) => `S3 ${all.join('')}`);
  fc.assert(
    fc.property(secret, (planted) => {
      const { value } = allowNative(table(planted)) ?? {};
      return value !== undefined && !JSON.stringify(value).includes(planted);
    }),
  );
  t.pass();
});

t.test('what is of another form is not given out at all', async (t) => {
  const rules: unknown[] = [];
  for (const found of [
    {},
    [{}],
    [null],
    [{ objects: [], rules: 1 }],
    [{ objects: [{ table: { name: 'my\u001b[2J' } }], rules }],
    [{ objects: [{ chain: { name: 'a b' } }], rules }],
    [{ objects: [{ __proto__x: 1 }], rules }],
    [{ objects: [JSON.parse(`${'{"a":'.repeat(50)}1${'}'.repeat(50)}`)], rules }],
  ]) {
    t.equal(allowNative(found), undefined, JSON.stringify(found).slice(0, 60));
  }
  const long = Array.from({ length: 20_001 }, (_, index) => index);
  t.match(allowNative([{ objects: [{ set: { name: 's', elem: long } }], rules }])?.value, [
    { objects: [{ set: { elem: [{ withheld: null }] } }] },
  ]);
  const same = [{ objects: [{ table: { name: 'my' } }], rules }];
  t.strictSame(allowNative(same), { value: same, withheld: new Map() });
});
