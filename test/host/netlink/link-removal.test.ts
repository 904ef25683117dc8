/** Removals that hang in the kernel, which cannot be provoked. */
import t from 'tap';
import type { InterfaceName } from '../../../src/core/names.js';
import { type DeleteLinks, LinkRemoval } from '../../../src/host/netlink/link-removal.js';
import { NetlinkError } from '../../../src/host/netlink/socket/netlink-error.js';
import { interfaceName } from '../../golden/golden.js';

const none: Awaited<ReturnType<DeleteLinks>> = new Map();

t.test('a deletion that hangs fails, and no more threads than two are lost to them', async (t) => {
  const asked: InterfaceName[][] = [];
  const ends: (() => void)[] = [];
  const removal = new LinkRemoval((names) => {
    asked.push([...names]);
    return new Promise((resolve) => ends.push(() => resolve(none)));
  }, 5);
  const remove = (name: string) => removal.remove(interfaceName(name));
  await t.rejects(remove('veth1'), { code: 'link-failed', message: /veth1: .*not finished/ });
  await t.rejects(remove('veth2'), /not finished/);
  await t.rejects(remove('veth3'), /veth3: .*hang in the kernel/);
  t.same(asked, [['veth1'], ['veth2']]);
  ends[0]?.();
  await new Promise(setImmediate);
  const third = remove('veth3');
  await new Promise(setImmediate);
  ends[2]?.();
  await third;
  t.pass('goes on when one of them has ended');
});

t.test('what the kernel refuses is told by link; what could not be asked, of each', async (t) => {
  const busy = new Map([[interfaceName('veth1'), NetlinkError.fromErrno(16)]]);
  const some = new LinkRemoval(() => Promise.resolve(busy));
  const [first, second] = await Promise.allSettled(
    ['veth1', 'veth2'].map((name) => some.remove(interfaceName(name))),
  );
  t.match(first, { reason: { message: /deleting interface veth1: .*busy/ } });
  t.equal(second?.status, 'fulfilled');
  const all = new LinkRemoval(() => Promise.reject(NetlinkError.fromErrno(24)));
  await t.rejects(all.remove(interfaceName('veth1')), { code: 'link-failed', message: /EMFILE/ });
});
