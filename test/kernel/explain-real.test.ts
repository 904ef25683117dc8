/** What is explained of a packet, and where a real one goes: what iptables' rules alone do not decide. */
import { existsSync } from 'node:fs';
import type { Test } from 'tap';
import type { Case } from '../explain/real-host.js';
import { inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const noTap = existsSync('/dev/net/tun') ? false : 'the kernel has no tap interfaces';
if (noTap !== false) {
  t.plan(0, noTap);
  process.exit();
}
const { both, close } = await import('../explain/real-host.js');
t.teardown(close);

/** Both say the same, which is what is expected. */
async function same(t: Test, asked: Case, expected: string, name: string): Promise<void> {
  t.strictSame(await both(asked), { real: expected, explained: expected }, name);
}

const outside = '203.0.113.9';
const toContainer = { from: outside, by: 'eth0', to: '172.20.0.2' } as const;
const toHost = { from: outside, by: 'eth0', to: '192.0.2.1' } as const;

t.test('routing alone: forwarded, for the host, made here', async (t) => {
  await same(t, toContainer, 'sent out of br-1', 'to a container');
  await same(t, toHost, 'host', 'to the host');
  await same(
    t,
    { from: '172.20.0.2', by: 'v1', to: outside },
    'sent out of eth0',
    'from a container',
  );
  await same(t, { from: '2001:db8::9', by: 'eth0', to: 'fd00:20::2' }, 'sent out of br-1', 'IPv6');
  await same(
    t,
    { from: 'fd00:20::2', by: 'v1', to: '2001:db8:9::9' },
    'sent out of eth0',
    'IPv6, out',
  );
  // As the userland proxy sends to a container.
  await same(t, { from: '172.20.0.1', to: '172.20.0.2' }, 'sent out of br-1', 'by the proxy');
  run('iptables', ['-A', 'OUTPUT', '-d', '172.20.0.2', '-j', 'DROP']);
  await same(t, { from: '172.20.0.1', to: '172.20.0.2' }, 'gone', 'by the proxy, dropped');
  run('iptables', ['-F', 'OUTPUT']);
});

t.test('forwarding off', async (t) => {
  const set = (name: string, value: number) => run('sysctl', ['-qw', `${name}=${value}`]);
  set('net.ipv4.conf.eth0.forwarding', 0);
  await same(t, toContainer, 'gone', 'IPv4, where it comes in');
  await same(t, toHost, 'host', 'IPv4, to the host');
  await same(t, { from: '172.20.0.2', by: 'v1', to: outside }, 'sent out of eth0', 'the other way');
  set('net.ipv4.conf.eth0.forwarding', 1);
  const from6 = { from: '2001:db8::9', by: 'eth0', to: 'fd00:20::2' } as const;
  set('net.ipv6.conf.eth0.forwarding', 0);
  await same(t, from6, 'sent out of br-1', 'IPv6, of one interface');
  set('net.ipv6.conf.all.forwarding', 0);
  await same(t, from6, 'gone', 'IPv6');
  await same(t, { ...from6, to: '2001:db8::1' }, 'host', 'IPv6, to the host');
  set('net.ipv6.conf.all.forwarding', 1);
});

t.test('reverse path filter', async (t) => {
  const wrong = { from: '172.20.0.3', by: 'eth0', to: '192.0.2.1' } as const;
  const set = (value: number) => run('sysctl', ['-qw', `net.ipv4.conf.eth0.rp_filter=${value}`]);
  await same(t, wrong, 'host', 'off');
  set(1);
  await same(t, wrong, 'gone', 'strict');
  await same(t, toHost, 'host', 'strict, the right way');
  const byOther = { from: outside, by: 'eth1', to: '198.51.100.1' } as const;
  run('sysctl', ['-qw', 'net.ipv4.conf.eth1.rp_filter=1']);
  await same(t, byOther, 'gone', 'strict, by the other uplink');
  set(2);
  await same(t, wrong, 'host', 'loose');
  await same(t, { ...wrong, from: '192.0.2.1' }, 'gone', 'an address of its own');
  set(0);
  run('sysctl', ['-qw', 'net.ipv4.conf.eth1.rp_filter=0']);
});

t.test('route_localnet', async (t) => {
  run('iptables', [
    ...'-t nat -A PREROUTING -p udp --dport 8080 -j DNAT --to 127.0.0.1:53'.split(' '),
  ]);
  const published = { ...toHost, port: 8080 };
  const direct = { ...toHost, to: '127.0.0.1' };
  await same(t, published, 'gone', 'off, translated to loopback');
  await same(t, direct, 'gone', 'off, addressed to loopback');
  run('sysctl', ['-qw', 'net.ipv4.conf.eth0.route_localnet=1']);
  await same(t, published, 'host', 'on, translated to loopback');
  await same(t, direct, 'host', 'on, addressed to loopback');
  run('sysctl', ['-qw', 'net.ipv4.conf.eth0.route_localnet=0']);
  run('iptables', ['-t', 'nat', '-F']);
});

t.test('packets that rules of OUTPUT send another way', async (t) => {
  const made = { from: '192.0.2.1', to: outside } as const;
  await same(t, made, 'sent out of eth0', 'by the main table');
  const mark = '-A OUTPUT -p udp --dport 53 -j MARK --set-mark 2'.split(' ');
  run('iptables', ['-t', 'mangle', ...mark]);
  await same(t, made, 'sent out of eth1', 'by a mark of table mangle');
  run('iptables', ['-t', 'mangle', '-F']);
  run('iptables', ['-t', 'raw', ...mark]);
  await same(t, made, 'sent out of eth0', 'a mark of table raw is too early');
  run('iptables', ['-t', 'raw', '-F']);
  run('iptables', [...'-t nat -A OUTPUT -p udp --dport 53 -j DNAT --to 172.20.0.3'.split(' ')]);
  await same(t, made, 'sent out of br-1', 'by a translation');
  run('iptables', ['-t', 'nat', '-F']);
});

t.test('hairpin: a container reaches a published port of its own network', async (t) => {
  const nat = (rule: string) => run('iptables', ['-t', 'nat', ...rule.split(' ')]);
  nat('-A PREROUTING -m addrtype --dst-type LOCAL -p udp --dport 8080 -j DNAT --to 172.20.0.3:53');
  const asked = { from: '172.20.0.2', by: 'v1', to: '192.0.2.1', port: 8080 } as const;
  await same(t, asked, 'sent out of br-1', 'of another container');
  run('iptables', ['-A', 'FORWARD', '-i', 'br-1', '-o', 'br-1', '-j', 'DROP']);
  await same(t, asked, 'gone', 'without icc');
  run('iptables', ['-F', 'FORWARD']);
  nat('-F');
});

const frame = { from: '172.20.0.2', by: 'v1', to: '172.20.0.3' } as const;
const frame6 = { from: 'fd00:20::2', by: 'v1', to: 'fd00:20::3' } as const;
const setting = '/proc/sys/net/bridge/bridge-nf-call-iptables';

t.test('frames within a bridge, which no rule sees', async (t) => {
  if (existsSync(setting)) showFrames(0, 0);
  run('iptables', ['-A', 'FORWARD', '-i', 'br-1', '-o', 'br-1', '-j', 'DROP']);
  await same(t, frame, 'sent out of br-1', 'IPv4');
  await same(t, frame6, 'sent out of br-1', 'IPv6');
  run('iptables', ['-F', 'FORWARD']);
});

const noModule = existsSync(setting) ? false : 'the kernel has no br_netfilter';
t.test(
  'frames within a bridge that br_netfilter shows to the rules',
  { skip: noModule },
  async (t) => {
    const drop = '-A FORWARD -i br-1 -o br-1 -m physdev --physdev-is-bridged -j DROP'.split(' ');
    for (const program of ['iptables', 'ip6tables']) run(program, drop);
    showFrames(1, 0);
    await same(t, frame, 'gone', 'IPv4 is shown');
    await same(t, frame6, 'sent out of br-1', 'IPv6 is not');
    showFrames(0, 1);
    await same(t, frame, 'sent out of br-1', 'IPv4 is not');
    await same(t, frame6, 'gone', 'IPv6 is shown');
    showFrames(0, 0);
    run('ip', ['link', 'set', 'br-1', 'type', 'bridge', 'nf_call_iptables', '1']);
    await same(t, frame, 'gone', 'by the setting of the bridge itself');
    await same(t, frame6, 'sent out of br-1', 'which is of IPv4 alone');
    run('ip', ['link', 'set', 'br-1', 'type', 'bridge', 'nf_call_iptables', '0']);
    for (const program of ['iptables', 'ip6tables']) run(program, ['-F', 'FORWARD']);
    showFrames(1, 1);
    // A frame is not routed, so neither its hops nor forwarding nor filters of sources count.
    run('iptables', [...'-A FORWARD -m ttl --ttl-lt 64 -j DROP'.split(' ')]);
    run('sysctl', ['-qw', 'net.ipv4.ip_forward=0', 'net.ipv6.conf.all.forwarding=0']);
    run('sysctl', ['-qw', 'net.ipv4.conf.br-1.rp_filter=1']);
    await same(t, frame, 'sent out of br-1', 'IPv4, not forwarded by the host');
    await same(t, frame6, 'sent out of br-1', 'IPv6, not forwarded by the host');
    await same(
      t,
      { ...frame, from: outside },
      'sent out of br-1',
      'from an address that is elsewhere',
    );
  },
);

function showFrames(four: number, six: number): void {
  for (const [program, value] of [
    ['iptables', four],
    ['ip6tables', six],
  ] as const) {
    run('sysctl', ['-qw', `net.bridge.bridge-nf-call-${program}=${value}`]);
  }
}
