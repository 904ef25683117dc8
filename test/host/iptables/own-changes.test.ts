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
  own.started(10, restore);
  own.ended(99);
  for (const _ of [1, 2, 3])
    t.equal(own.match({ portId: 0, pid: 10, program: reported }), 10, 'however often');
  t.equal(own.match({ portId: 0, pid: 11, program: reported }), undefined);
  own.ended(10);
  time.now = 29_999;
  t.equal(own.match({ portId: 0, pid: 10, program: reported }), 10, 'reports come late');
  t.equal(
    own.match({ portId: 0, pid: 10, program: 'iptables' }),
    undefined,
    'the number is taken again',
  );
  time.now = 30_000;
  t.equal(own.match({ portId: 0, pid: 10, program: reported }), undefined);
});

t.test('in another pid namespace, by the port of the child', async (t) => {
  const { own, time } = make(false);
  own.started(10, restore);
  own.started(11, 'nft');
  const writer = (portId: number, program: string) => ({ portId, pid: 5000 + portId, program });
  for (const _ of [1, 2, 3]) t.equal(own.match(writer(10, reported)), 10, 'however often');
  t.equal(own.match(writer(12, reported)), undefined, 'somebody else');
  t.equal(own.match(writer(10, 'nft')), undefined, 'another program');
  t.equal(own.match(writer(11, 'nft')), 11);
  own.ended(10);
  time.now = 30_000;
  t.equal(own.match(writer(10, reported)), undefined, 'too late to be its own');
});

t.test("the daemon's own sockets are known by their ports", async (t) => {
  for (const sameNumbers of [true, false]) {
    const { own } = make(sameNumbers);
    const writer = { portId: 0xfffff000, pid: 77, program: 'node' };
    t.equal(own.match(writer), undefined);
    own.ports.add(writer.portId);
    t.equal(own.match(writer), process.pid);
  }
});

t.test('own commits of long ago are forgotten', async (t) => {
  const { own } = make(true);
  for (let pid = 1; pid <= 100; pid += 1) own.started(pid, restore);
  t.equal(own.match({ portId: 0, pid: 1, program: reported }), undefined);
  t.equal(own.match({ portId: 0, pid: 100, program: reported }), 100);
});

t.test('own commits are known by process id where the kernel tells it', async (t) => {
  const own = new OwnChanges();
  own.started(process.pid, 'node');
  t.equal(own.match({ portId: 0, pid: process.pid, program: 'node' }), process.pid);
});
