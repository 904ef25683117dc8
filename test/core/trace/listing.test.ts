import t from 'tap';
import { readTables } from '../../../src/codec/iptables/iptables-words.js';
import type { TraceEvent } from '../../../src/core/trace/event.js';
import { type Listing, ruleOf, rulesByHandle } from '../../../src/core/trace/listing.js';

const saved = [
  '*filter',
  ':FORWARD ACCEPT [0:0]',
  '-A FORWARD -i a -j DROP',
  '-A FORWARD -i b -j DROP',
  'COMMIT',
];
const tables = readTables(saved, 4, 'nft');
const key = 'ip filter FORWARD';
const listing = (generation: number, handles: readonly bigint[], table = 1n): Listing => ({
  generation,
  rules: rulesByHandle(tables, new Map([[key, handles]])),
  tables: new Map([['ip filter', table]]),
  hooks: new Map(),
});
const event = (handle?: bigint): TraceEvent => ({
  ...{ id: 1, family: 'ip', table: 'filter', chain: 'FORWARD', kind: 'rule', mark: 0 },
  ...(handle === undefined ? {} : { handle }),
});

t.test('a handle is a position is a line of iptables-save', async (t) => {
  const read = listing(1, [4n, 9n]);
  t.strictSame(ruleOf(event(9n), read, read), { number: 2, text: '-i b -j DROP' });
  t.equal(ruleOf(event(5n), read, read), undefined);
  t.equal(ruleOf(event(), read, read), undefined);
});

t.test('a chain that was read at two moments is not known', async (t) => {
  t.equal(listing(1, [4n]).rules.has(key), false);
  t.equal(rulesByHandle(tables, new Map()).has(key), false);
  t.equal(rulesByHandle(readTables(saved, 6, 'legacy'), new Map([[key, [4n, 9n]]])).size, 0);
  t.equal(
    rulesByHandle(readTables(saved, 6, 'nft'), new Map([['ip6 filter FORWARD', [4n, 9n]]])).size,
    1,
  );
});

t.test('rules that changed meanwhile', async (t) => {
  const [before, after] = [listing(1, [4n, 9n]), listing(2, [4n, 12n])];
  t.equal(ruleOf(event(9n), before, after)?.number, 2, 'deleted since');
  t.equal(ruleOf(event(12n), before, after)?.number, 2, 'added since');
  t.equal(
    ruleOf(event(4n), before, listing(2, [4n, 9n], 2n)),
    undefined,
    'handles of another table',
  );
});
