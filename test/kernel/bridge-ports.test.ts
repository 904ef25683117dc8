/** Ports of a bridge of the user's, as the kernel lists them. */
import { inFreshNamespace, ipJson, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { bridge, known, name, veth } = await import('../process/link-specs.js');
const { LinksNetlink } = await import('../../src/host/netlink/links.js');
const { parseMac } = await import('../../src/core/address.js');

const show = (link: string) => ipJson('-details', 'link', 'show', link)[0] ?? {};

const links = new LinksNetlink();
t.teardown(() => links.close());

t.test('the ports of a bridge are those of its own, of every kind', async (t) => {
  await links.create(bridge('br-p'));
  await links.create(veth('vp', 'vpc', 'br-p'));
  run('ip', ['link', 'add', 'ifb-p', 'master', 'br-p', 'type', 'ifb']);
  const device = known(await links.find('br-p'));
  const ports = (await links.portsOf(device)).map(({ name, kind }) => `${name} ${kind}`);
  t.strictSame(ports.sort(), ['ifb-p ifb', 'vp veth']);
  run('ip', ['link', 'delete', 'ifb-p']);
  await links.remove(name('vp'));
  await links.remove(name('br-p'));
});

t.test('the host’s end of a pair has the MAC address that it is given', async (t) => {
  await links.create(bridge('br-m'));
  run('ip', ['link', 'set', 'br-m', 'up']);
  await links.create(veth('vm', 'vmc', 'br-m', { hostMac: known(parseMac('fe:42:c0:00:02:11')) }));
  t.equal(show('vm').address, 'fe:42:c0:00:02:11');
  t.not(show('vmc').address, 'fe:42:c0:00:02:11');
  await links.remove(name('vm'));
  await links.remove(name('br-m'));
});
