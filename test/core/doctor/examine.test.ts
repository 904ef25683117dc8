/** Causes and what follows from them, second looks, missing parts; packets that are followed; words of commands. */
import t from 'tap';
import { check, shell, shellWord, wholeHost } from '../../../src/core/doctor/check.js';
import { checks } from '../../../src/core/doctor/checks.js';
import { confirmed, examine } from '../../../src/core/doctor/examine.js';
import { packetsToSimulate } from '../../../src/core/doctor/packets-to-simulate.js';
import { defaultDevices, otherAddress, stranger } from '../../../src/core/doctor/places.js';
import type { NetworkSpec } from '../../../src/core/network/network.js';
import { ip } from '../explain/host.js';
import { cidr, link, network, port, route, sound } from './sound.js';

const played = (code: string, objects: readonly string[], hides: readonly string[] = []) =>
  check({
    ...{ code, severity: 'error', detects: '', means: '', remedy: '', hides },
    needs: ['native'],
    find: () => objects.map((object) => ({ object, evidence: '', command: '' })),
  });

t.test(
  'a cause hides what follows from it: of the same object, or all if it is of the whole host',
  (t) => {
    const hidden = (cause: string, effect: string) => {
      const all = [played('cause', [cause], ['effect']), played('effect', [effect])];
      return examine(all, sound).findings.find(({ code }) => code === 'effect')?.hiddenBy;
    };
    t.equal(hidden(wholeHost, 'net20'), 'cause');
    t.equal(hidden('net20', 'net20'), 'cause');
    t.equal(hidden('net20', 'net21'), undefined);
    t.end();
  },
);

t.test('every code that is hidden exists, and no check hides itself', (t) => {
  const codes = checks.map(({ code }) => code);
  t.equal(new Set(codes).size, codes.length);
  for (const { code, hides } of checks) {
    t.strictSame(
      hides.filter((each) => !codes.includes(each) || each === code),
      [],
      code,
    );
  }
  t.end();
});

t.test('what settles has to be found twice', (t) => {
  const drifting = { ...sound.daemon, drift: { count: 1, first: ['a'] } } as const;
  const first = examine(checks, { ...sound, daemon: drifting, ufwIsOn: true });
  t.strictSame(
    first.findings.map(({ code }) => code),
    ['drift', 'ufw-bypassed'],
  );
  t.strictSame(confirmed(first, examine(checks, sound)).findings, []);
  t.strictSame(confirmed(first, first).findings, first.findings);
  const late = confirmed(examine(checks, sound), first).findings;
  t.strictSame(
    late.map(({ code }) => code),
    ['ufw-bypassed'],
    'only the second look found drift',
  );
  t.end();
});

t.test('a cause that has settled hides nothing', (t) => {
  const dead = { ...sound, sockets: [] };
  const [first, before] = [examine(checks, dead), examine(checks, sound)];
  t.match(first.findings, [
    { code: 'proxy-dead' },
    { code: 'port-not-held', hiddenBy: 'proxy-dead' },
  ]);
  const proxy = { ...first, findings: first.findings.filter(({ code }) => code !== 'proxy-dead') };
  t.strictSame(confirmed(before, first).findings, []);
  t.notOk('hiddenBy' in (confirmed(proxy, first).findings[0] ?? {}));
  t.match(confirmed(first, first).findings[1], { hiddenBy: 'proxy-dead' });
  t.end();
});

t.test('checks whose facts are missing are named', (t) => {
  const { routes: _, ...rest } = sound;
  const { done, notDone, findings } = examine(checks, rest);
  t.strictSame(findings, []);
  t.equal(done + notDone.length, checks.length);
  t.ok(notDone.every(({ needs }) => needs.includes('routes')));
  t.strictSame(packetsToSimulate(rest), []);
  t.end();
});

t.test('packets: of containers, to published ports, and of bridges of others', (t) => {
  const words = (facts: Parameters<typeof packetsToSimulate>[0]) =>
    packetsToSimulate(facts).map(({ kind, packet, uplink }) =>
      [
        kind,
        packet.inInterface,
        packet.source,
        packet.destination,
        packet.destinationPort,
        uplink,
      ].join(' '),
    );
  t.strictSame(words(sound), [
    'outgoing br-20 172.20.0.2 198.51.100.77 443 eth0',
    'outgoing br-21 172.21.0.2 198.51.100.77 443 eth0',
    'published eth0 198.51.100.77 192.0.2.1 8080 eth0',
    'outgoing br-20 fd00:20::2 2001:db8:77::77 443 eth0',
    'outgoing br-21 fd00:21::2 2001:db8:77::77 443 eth0',
  ]);
  const odd = {
    ...sound,
    records: {
      networks: [network(20, { internal: true, ipv6: undefined })],
      ports: [
        { ...port, hostIp: ip('192.0.2.1'), protocol: 'udp' as const },
        { ...port, hostIp: ip('127.0.0.1') },
        { ...port, protocol: 'sctp' as const },
      ],
      addresses: [],
      egress: [],
      unreadable: [],
    },
    links: [
      ...sound.links,
      link('virbr0', { addresses: [cidr('10.9.0.1/24'), cidr('fe80::1/64')] }),
      link('down0', { isUp: false, addresses: [cidr('10.8.0.1/24')] }),
    ],
    routes: [route('eth0')],
  };
  t.strictSame(words(odd), [
    'published eth0 198.51.100.77 192.0.2.1 8080 eth0',
    // Bridges that no record knows are others’, too.
    'others br-21 172.21.0.2 198.51.100.77 443 eth0',
    'others virbr0 10.9.0.2 198.51.100.77 443 eth0',
  ]);
  t.strictSame(words({ ...sound, routes: [] }), [], 'nobody knows the way out');
  const isolated = network(20);
  const family = { ...isolated.spec.ipv4, gatewayMode: 'isolated' } as NetworkSpec['ipv4'];
  const without = [network(21, { inhibitIpv4: true }), network(20, { ipv4: family })];
  const records = { ...sound.records, networks: without, ports: [] };
  t.strictSame(
    words({ ...sound, records }).filter((line) => line.includes('172.')),
    [],
    'no way out is promised',
  );
  t.end();
});

t.test('places', (t) => {
  const routes = [route('b', { metric: 9 }), route('a'), route('c', { table: '7' }), route('a')];
  t.strictSame(defaultDevices(routes, 4, 'main'), ['a', 'b']);
  t.strictSame(defaultDevices(routes, 4, 'every table'), ['a', 'c', 'b']);
  t.equal(stranger([link('x', { addresses: [cidr('198.51.100.1/24')] })], 4), '203.0.113.77');
  t.equal(otherAddress(cidr('10.0.0.2/24')), '10.0.0.3');
  t.equal(otherAddress(cidr('10.0.0.1/32')), undefined);
  t.end();
});

t.test('words of a command are quoted for a shell', (t) => {
  t.equal(shellWord('br-20'), 'br-20');
  t.equal(shellWord(''), "''");
  t.equal(shellWord("a'; reboot"), "'a'\\''; reboot'");
  t.equal(shell`ip link set ${'a b'} mtu ${1500}`, "ip link set 'a b' mtu 1500");
  t.end();
});
