/** Publications on disk: what is written is read again, and what is damaged is refused by name. */
import t from 'tap';
import {
  decodePublication,
  encodePublication,
} from '../../../src/driver/state/publication-records.js';

const record = {
  id: 'a'.repeat(32),
  kept: { for: 'container', container: 'b'.repeat(64) },
  container: 'web',
  network: { id: '5'.repeat(64), name: 'shop' },
  word: '[::1]:9000-9001:80-81/udp',
  asker: { uid: 1000, sudoUser: 'jane' },
  since: '2026-11-26T09:12:00.000Z',
};

t.test('there and back', async (t) => {
  for (const each of [
    record,
    { ...record, kept: { for: 'name' }, asker: {}, network: { id: record.network.id } },
    { ...record, kept: { for: 'start', endpoint: 'c'.repeat(64) } },
  ]) {
    const decoded = decodePublication(each);
    t.equal(decoded.requests.length, 2);
    t.strictSame(JSON.parse(JSON.stringify(encodePublication(decoded))), each);
  }
});

t.test('damaged', async (t) => {
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{ id: '../x' }, /field id should be/],
    [{ word: '80' }, /field word: 80 is not/],
    [{ network: { id: 'x' } }, /field network should be an id/],
    [{ network: { id: record.network.id, name: '\u001b' } }, /field network should be a name/],
    [{ container: '' }, /field container should be a name/],
    [{ kept: { for: 'ever' } }, /field kept should be/],
    [{ kept: { for: 'container', container: 'x' } }, /field kept should be/],
    [{ asker: { uid: 'root' } }, /field asker should be a user/],
    [{ since: 1 }, /field since should be a string/],
  ];
  for (const [change, message] of wrong) {
    t.throws(() => decodePublication({ ...record, ...change }), {
      code: 'record-unreadable',
      message,
    });
  }
});
