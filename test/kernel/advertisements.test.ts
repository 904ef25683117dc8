/** A neighbour on a LAN remembers a former MAC address of a container’s address, and learns the new one. */
import { connectionError, inFreshNamespace, ipJson, run } from '../process/netns.js';

inFreshNamespace();
const { writeFileSync } = await import('node:fs');
const { setTimeout } = await import('node:timers/promises');
const { default: t } = await import('tap');
const { NeighboursNetlink } = await import('../../src/host/netlink/neighbours.js');
const { loadLibc, SystemCallError } = await import('../../src/host/process/libc.js');
const { cidrText, parseIp, parseMac } = await import('../../src/core/address.js');

const [before, now] = ['02:42:00:00:00:01', '02:42:00:00:00:02'];
const texts = ['192.0.2.17', '2001:db8::17'];
const addresses = texts.map((text) => parseIp(text) as never);
const mac = parseMac(now) as never;
const lan = (...args: string[]) => run('ip', ['-n', 'lan', ...args]);
/** The neighbours that this host remembers, or with `-n NAME` those of a namespace, as `ADDRESS MAC`. */
const known = (...where: string[]) =>
  ['-4', '-6']
    .flatMap((family) => ipJson(...where, family, 'neigh', 'show'))
    .filter(({ dst }) => texts.includes(String(dst)))
    .map(({ dst, lladdr }) => `${dst} ${lladdr}`);
const all = (address: string) => texts.map((text) => `${text} ${address}`);

run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
run('ip', ['netns', 'add', 'lan']);
run('ip', ['link', 'add', 'br-lan', 'up', 'type', 'bridge']);
run('ip', [
  'link',
  'add',
  'eth0',
  'up',
  'master',
  'br-lan',
  'type',
  'veth',
  'peer',
  'lan0',
  'netns',
  'lan',
]);
run('ip', ['address', 'add', '192.0.2.1/24', 'dev', 'br-lan']);
run('ip', ['address', 'add', '2001:db8::1/64', 'dev', 'br-lan', 'nodad']);
lan('address', 'add', '192.0.2.99/24', 'dev', 'lan0');
lan('address', 'add', '2001:db8::99/64', 'dev', 'lan0', 'nodad');
lan('link', 'set', 'lan0', 'up');

const libc = loadLibc();
const neighbours = new NeighboursNetlink(libc);
t.teardown(() => neighbours.close());

function remember(): void {
  for (const text of texts) {
    const entry = ['neigh', 'replace', text, 'lladdr', before, 'nud', 'reachable', 'dev'];
    lan(...entry, 'lan0');
    run('ip', [...entry, 'br-lan']);
  }
}

async function until(done: () => boolean): Promise<void> {
  for (let wait = 0; wait < 1_200 && !done(); wait += 1) await setTimeout(50);
}

t.test(
  'another host of the LAN, the host itself and its bridge learn the new MAC address',
  async (t) => {
    remember();
    run('bridge', ['fdb', 'replace', now, 'dev', 'eth0', 'master', 'dynamic']);
    t.strictSame(known('-n', 'lan'), all(before));
    const told = neighbours.advertise({ device: 'br-lan', addresses, mac });
    await until(() => known('-n', 'lan').every((line) => line.endsWith(now)));
    t.strictSame(known('-n', 'lan'), all(now));
    await told;
    t.strictSame(known(), all(now), 'the host');
    const behind = () => run('bridge', ['fdb', 'show', 'br', 'br-lan']).match(/02:42:\S+ dev \S+/g);
    t.equal(behind(), null, 'the bridge does not look for it behind the NIC any more');
    run('bridge', ['fdb', 'replace', now, 'dev', 'eth0', 'master', 'static']);
    run('ip', [
      'neigh',
      'replace',
      '192.0.2.17',
      'lladdr',
      before,
      'nud',
      'permanent',
      'dev',
      'br-lan',
    ]);
    await neighbours.advertise({ device: 'br-lan', addresses, mac });
    t.strictSame(known()[0], `192.0.2.17 ${before}`, 'what an administrator has set stays');
    // A kernel with VLAN filtering lists it once more, for VLAN 1.
    t.strictSame([...new Set(behind())], [`${now} dev eth0`]);
    run('bridge', ['fdb', 'del', now, 'dev', 'eth0', 'master']);
  },
);

t.test('who does not know the address learns nothing', async (t) => {
  lan('neigh', 'flush', 'all');
  run('ip', ['neigh', 'flush', 'all', 'nud', 'all']);
  await neighbours.advertise({ device: 'br-lan', addresses, mac });
  await setTimeout(100);
  t.strictSame([...known('-n', 'lan'), ...known()], []);
});

t.test('the host answers for the address: it has the interface’s own', async (t) => {
  remember();
  await neighbours.advertise({ device: 'br-lan', addresses });
  const own = String(ipJson('link', 'show', 'br-lan')[0]?.address);
  await until(() => known('-n', 'lan').every((line) => line.endsWith(own)));
  t.strictSame(known('-n', 'lan'), all(own));
});

t.test('proxy ARP: the host answers for a container of another bridge', async (t) => {
  run('ip', ['netns', 'add', 'box']);
  run('ip', ['link', 'add', 'br-p', 'up', 'type', 'bridge']);
  const peer = ['peer', 'eth0', 'netns', 'box'];
  run('ip', ['link', 'add', 'veth-p', 'up', 'master', 'br-p', 'type', 'veth', ...peer]);
  run('ip', ['address', 'add', '192.0.2.33/28', 'dev', 'br-p']);
  run('ip', ['-n', 'box', 'address', 'add', '192.0.2.34/28', 'dev', 'eth0']);
  run('ip', ['-n', 'box', 'link', 'set', 'eth0', 'up']);
  run('ip', ['-n', 'box', 'route', 'add', 'default', 'via', '192.0.2.33']);
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  writeFileSync('/proc/sys/net/ipv4/neigh/br-lan/proxy_delay', '0');
  const connect = () => connectionError('lan', '192.0.2.34');
  t.match(connect(), /timeout|EHOSTUNREACH/, 'nobody answers for it');
  const proxy = { address: parseIp('192.0.2.34') as never, device: 'br-lan' };
  await neighbours.addProxy(proxy);
  t.equal(connect(), 'ECONNREFUSED', 'by the container');
  t.strictSame(await neighbours.proxies(), [{ ...proxy, isOurs: true }]);
  await neighbours.removeProxy(proxy);
  t.strictSame(await neighbours.proxies(), []);
  const own = (await neighbours.addressesOf('br-p'))?.map(cidrText);
  t.strictSame(
    own?.filter((text) => !text.startsWith('fe80:')),
    ['192.0.2.33/28'],
  );
  t.equal(await neighbours.addressesOf('none'), undefined);
});

t.test('an advertisement that cannot be sent is an error with advice', async (t) => {
  await t.rejects(neighbours.advertise({ device: 'none', addresses, mac }), {
    message: 'there is no interface none',
  });
  run('ip', ['link', 'set', 'br-lan', 'down']);
  await t.rejects(neighbours.advertise({ device: 'br-lan', addresses, mac }), {
    message: /^telling neighbours of 192.0.2.17: sendto: network is down \(ENETDOWN\)$/,
  });
  const sendFrame = () => {
    throw new SystemCallError('socket', 'EAFNOSUPPORT', 'socket: … (EAFNOSUPPORT)');
  };
  const unit = new NeighboursNetlink({ ...libc, sendFrame });
  t.teardown(() => unit.close());
  await t.rejects(unit.advertise({ device: 'br-lan', addresses, mac }), {
    message: /\(EAFNOSUPPORT\): the daemon needs sockets of AF_PACKET/,
  });
});
