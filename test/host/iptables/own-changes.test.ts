/** Which reported changes are our own, in the first pid namespace and in another. */
import t from 'tap';
import { OwnChanges } from '../../../src/host/iptables/own-changes.js';

function make(sameNumbers: boolean) {
  const time = { now: 0 };
  return { time, own: new OwnChanges(sameNumbers, () => time.now) };
}
const restore = 'iptables-nft-restore';
const reported = 'iptables-nft-re';

t.test('by number, as long as nobody else can have it', async (t) => {
  const { own, time } = make(true);
  own.started(10, restore, 2);
  own.ended(99, true);
  for (const _ of [1, 2, 3]) t.equal(own.match(10, reported), 10, 'however often');
  t.equal(own.match(11, reported), undefined);
  own.ended(10, true);
  time.now = 29_999;
  t.equal(own.match(10, reported), 10, 'reports come late');
  t.equal(own.match(10, 'iptables'), undefined, 'the number is taken again');
  time.now = 30_000;
  t.equal(own.match(10, reported), undefined);
});

t.test('own commits are known by program, as many as it makes', async (t) => {
  const { own, time } = make(false);
  own.started(10, restore, 2);
  own.started(11, 'nft', 1);
  t.equal(own.match(5010, reported), 10);
  t.equal(own.match(6000, 'iptables'), undefined, 'somebody else');
  t.equal(own.match(5011, 'nft'), 11);
  t.equal(own.match(5012, 'nft'), undefined, 'nft of somebody else');
  t.equal(own.match(5010, reported), 10);
  t.equal(own.match(5010, reported), undefined, 'one more than we make');
  own.started(12, restore, 1);
  own.ended(12, true);
  time.now = 2_000;
  t.equal(own.match(5013, reported), undefined, 'too late to be its own');
  own.started(13, 'nft', 1);
  own.ended(13, false);
  t.equal(own.match(5014, 'nft'), undefined, 'ours failed: it is somebody else who flushes');
});

t.test('own commits of long ago are forgotten', async (t) => {
  const { own } = make(true);
  for (let pid = 1; pid <= 100; pid += 1) own.started(pid, restore, 1);
  t.equal(own.match(1, reported), undefined);
  t.equal(own.match(100, reported), 100);
});

t.test('own commits are known by process id where the kernel tells it', async (t) => {
  const own = new OwnChanges();
  own.started(process.pid, 'node', 1);
  t.equal(own.match(process.pid, 'node'), process.pid);
});
