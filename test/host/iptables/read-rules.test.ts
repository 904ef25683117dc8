import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { parseSave } from '../../../src/codec/iptables/iptables-save.js';
import { readYielding } from '../../../src/host/iptables/read-rules.js';
import { Yielding } from '../../../src/yielding.js';

let clock = 0;
/** Of a machine on which everything takes 10 ms. */
const slowly = (): Yielding =>
  new Yielding(() => {
    clock += 10;
    return clock;
  });

const rules = Array.from(
  { length: 8_000 },
  (_, port) => `-A DOCKER -d 172.20.0.2/32 -o br-0 -p tcp -m tcp --dport ${port} -j ACCEPT`,
);
const text = ['*filter', ':DOCKER - [0:0]', ...rules, 'COMMIT', '*nat', '-A OUTPUT -j DOCKER'];

t.test('a long listing is the same in yielding, and others get their turns', async (t) => {
  for (const end of ['', '\n', '\nCOMMIT\n']) {
    const listing = text.join('\n') + end;
    let turns = 0;
    let reading = true;
    const others = (async () => {
      for (; reading; turns += 1) await nextTurn();
    })();
    const found = await readYielding(listing, slowly());
    reading = false;
    await others;
    const expected = parseSave(listing);
    for (const [table, chain] of [
      ['filter', 'DOCKER'],
      ['nat', 'OUTPUT'],
    ] as const) {
      t.same(found.rules(table, chain), expected.rules(table, chain));
    }
    t.equal(found.rules('filter', 'DOCKER').length, rules.length);
    t.ok(turns > 2);
  }
  t.same((await readYielding('', slowly())).chains('filter'), []);
});
