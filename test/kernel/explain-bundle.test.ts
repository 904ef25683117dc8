/** What is explained of a host from its bundle is what is explained there; and no file that somebody sends does more. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { filesOf, forge } = await import('../explain/bundles.js');
const { makeRouter } = await import('../explain/router.js');
const { comparable } = await import('../explain/comparable.js');
const { said: saidIn } = await import('../explain/said.js');

const folder = mkdtempSync(join(tmpdir(), 'tsbridge-bundle-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const bundle = join(folder, 'ticket.tar.gz');

const said = (...args: string[]) => saidIn(folder, ...args);
const forged = (changes: Parameters<typeof forge>[1]) => forge(bundle, changes);

/** What makes routes, rules and sets differ: each line is a command. */
const more = [
  'ip link add eth1 type veth peer name out1',
  'ip link set eth1 up',
  'ip link set out1 up',
  'ip address add 198.51.100.1/24 dev eth1',
  'ip address add 198.51.100.2/24 dev eth1',
  'ip route add default dev eth1 table 100',
  'ip route add 203.0.113.0/24 via 198.51.100.9 table 100',
  'ip rule add fwmark 0x2/0x2 table 100',
  'ip rule add from 172.20.0.7 to 10.0.0.0/8 ipproto tcp dport 443 table 100',
  'ip route add 203.0.113.200 via 198.51.100.8 table 101',
  'ip rule add not to 0.0.0.0/1 table 101 priority 200',
  'ip rule add from 172.20.0.8 prohibit',
  'ip route add unreachable 10.1.0.0/16',
  'ip route add blackhole 10.2.0.0/16',
  'ip route add prohibit 10.3.0.0/16',
  'ip route add throw 10.4.0.0/16',
  'ip route add 10.5.0.0/16 dev eth1 metric 20',
  'ip route add 10.5.0.0/16 via 192.0.2.9 metric 10',
  'ip -6 route add unreachable 2001:db8:66::/48',
  'ip -6 address add fd00:20::1/64 dev br-1 nodad',
  'ip -6 route add 2001:db8:77::/48 via 2001:db8::fd',
  'sysctl -qw net.ipv6.conf.all.forwarding=1',
  'sysctl -qw net.ipv4.conf.eth1.rp_filter=2',
  'iptables -t mangle -A PREROUTING -p tcp --dport 444 -j MARK --set-mark 2',
  'iptables -A FORWARD -i eth1 -m comment --comment password -j ACCEPT',
  'iptables -t mangle -A OUTPUT -p tcp --dport 445 -j MARK --set-mark 2',
  'iptables -A INPUT -m comment --comment wg-quick(8)\u00a0rule -p udp --dport 51820 -j DROP',
  'iptables-legacy -A INPUT -p tcp --dport 7 -j DROP',
  'ip6tables -A FORWARD -p tcp --dport 81 -j DROP',
];
const native = `table inet my { set s { type ipv4_addr; flags interval; elements = { 10.5.1.0-10.5.1.9 } }
chain f { type filter hook forward priority 10
ip daddr @s drop comment "password"
iifname "eth*" log prefix "in: " tcp dport vmap { 82 : drop, 83 : accept }
}
}`;

const packets: readonly (readonly string[])[] = [
  ['elsewhere', ':8080'],
  ['elsewhere', ':8080', '--reply'],
  ['elsewhere', ':8081', '--rules'],
  ['elsewhere', ':8080', '--ipv6'],
  ['lan', '172.20.0.2:81'],
  ['lan', '172.20.0.2:81', '--with', '-I DOCKER-USER -j ACCEPT'],
  ['172.20.0.2', 'elsewhere:53/udp', '--reply'],
  ['172.20.0.2', '203.0.113.4:444'],
  ['172.20.0.2', '203.0.113.4:443'],
  ['172.20.0.7', '10.9.8.7:443'],
  ['172.20.0.8', '10.9.8.7:443'],
  ['172.20.0.2', '172.20.0.3:80'],
  ['172.20.0.2', '10.1.2.3:80'],
  ['172.20.0.2', '10.2.2.3:80'],
  ['172.20.0.2', '10.3.2.3:80'],
  ['172.20.0.2%br-1', '10.4.2.3:80'],
  ['172.20.0.2', '10.5.2.3:80'],
  ['172.20.0.2', '10.5.1.3:80'],
  ['172.30.0.2%br-1', '10.5.2.3:80'],
  ['198.51.100.7', '172.20.0.2:80'],
  ['198.51.100.7', '172.20.0.2:82'],
  ['198.51.100.7', '172.20.0.2:83'],
  ['203.0.113.9%eth1', '172.20.0.2:80'],
  ['10.9.9.9%eth0', ':8080'],
  ['10.9.9.9%eth1', '198.51.100.1:22'],
  ['192.0.2.1%eth0', ':8080'],
  ['127.0.0.5%eth0', '192.0.2.1:80'],
  ['192.0.2.7%eth0', '127.0.0.1:80'],
  ['224.0.0.1%eth0', '192.0.2.1:80'],
  ['host', '127.0.0.1:8080'],
  ['host', 'elsewhere/icmp'],
  ['host', '203.0.113.4:445'],
  ['host', '203.0.113.200:80'],
  ['host', '10.3.0.1:1'],
  ['host', '172.20.255.255:9/udp'],
  ['lan', ':7'],
  ['host', '[::1]:80'],
  ['host', '[2001:db8:66::1]:80'],
  ['[2001:db8::7]', '[fd00:20::2]:81'],
  ['[2001:db8::7]', '[2001:db8:77::2]:80'],
  ['[fd00:20::2]', 'elsewhere/icmp', '--reply'],
];

t.test('a bundle explains what its host does', async (t) => {
  makeRouter();
  for (const line of more) {
    const [file = '', ...args] = line.split(' ');
    run(
      file,
      args.map((each) => each.replaceAll('\u00a0', ' ')),
    );
  }
  run('nft', ['-f', '-'], native);
  const written = await said('diags', '--out', bundle);
  t.equal(written.code, 4, 'no daemon runs');
  const live = new Map<string, unknown>();
  for (const words of packets)
    live.set(words.join(' '), comparable(await said('explain', ...words, '--json')));
  // Nothing of this host is asked from here on.
  for (const name of ['eth0', 'eth1', 'br-1']) run('ip', ['link', 'delete', name]);
  for (const table of ['iptables', 'ip6tables', 'iptables-legacy']) run(table, ['-F']);
  const codes = new Set<unknown>();
  for (const words of packets) {
    const by = comparable(await said('explain', ...words, '--from', bundle, '--json'));
    codes.add(by.code);
    const others = (by.warnings as string[]).filter(
      (each) => !each.includes('of tsbridge') && !each.includes('names'),
    );
    t.strictSame({ ...by, warnings: others }, live.get(words.join(' ')), words.join(' '));
  }
  t.ok(codes.has(0) && codes.has(3), 'some pass and some do not');

  const withPort = await said('explain', 'elsewhere', ':8080', '--sport=5', '--from', bundle);
  t.match(withPort, {
    code: 4,
    out: /if: no flow has these addresses and ports yet[\s\S]*SENT out of br-1[\s\S]*if not: no flow[\s\S]*NOT KNOWN: the flow that is there already decides[\s\S]*DEPENDS/,
  });
  const texts = [...(await filesOf(bundle)).values()].join('\n');
  t.notMatch(texts, /password/);
  t.match(texts, /--comment "wg-quick\(8\)"/);
  t.match(await said('explain', 'lan', ':51820/udp', '--from', bundle), {
    out: /a rule of wg-quick/,
  });
});

t.test('containers by their names, as the bundle has them', async (t) => {
  const [network, endpoint, container] = ['a', 'e', 'c'].map((digit) => digit.repeat(64));
  const port = {
    ...{ protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8081, path: 'proxy', by: 'docker' },
    ...{ containerIp: '172.20.0.2', containerPort: 80 },
  };
  const inventory = {
    networks: [{ id: network, bridge: 'br-1', subnets: ['172.20.0.0/16'], phase: 'ready' }],
    endpoints: [{ id: endpoint, network, ipv4: '172.20.0.2/16', ipv6: null, ports: [port] }],
  };
  const names = {
    ...{ from: 'docker', asOf: '2026-11-27T10:00:00Z', stale: false },
    containers: [{ id: container, name: 'web', running: true, endpoints: [endpoint] }],
    networks: [{ id: network, name: 'shop' }],
  };
  const path = join(folder, 'names.tar.gz');
  writeFileSync(
    path,
    await forged({
      'inventory.json': () => JSON.stringify(inventory),
      'names.json': () => JSON.stringify(names),
    }),
  );
  const { code, out } = await said('explain', 'web@shop', 'elsewhere:53/udp', '--from', path);
  t.match({ code, out }, { code: 0, out: /172\.20\.0\.2 -> .*:53\/udp, .* arrives on br-1/ });
  const proxied = await said('explain', 'elsewhere', ':8081', '--from', path);
  t.match(proxied, {
    code: 0,
    out: /TAKEN by this host itself[\s\S]*THE USERLAND PROXY, if it holds[\s\S]*172\.20\.0\.1 -> 172\.20\.0\.2:80\/tcp, sent by a program[\s\S]*SENT out of br-1/,
  });
  t.notMatch(await said('explain', 'elsewhere', ':8082', '--from', path), { out: /PROXY/ });
  t.match(await said('explain', 'db', 'elsewhere:53', '--from', path), {
    code: 2,
    err: /no container db/,
  });

  const file = join(folder, 'host.html');
  t.match(await said('page', '--from', path), { code: 2, err: /--from needs --write/ });
  const { code: written, err } = await said('page', '--from', path, '--write', file);
  t.match({ written, err }, { written: 0, err: /a bundle does not have findings, events/ });
  t.equal(statSync(file).mode & 0o777, 0o600);
  const page = readFileSync(file, 'utf8');
  t.match(page, /told by a bundle of tsbridge diags/);
  for (const words of ['shop', 'web', '0.0.0.0:8081/tcp', 'br-1', 'eth1', '198.51.100.1/24'])
    t.ok(page.includes(words), words);
  t.match(page, /elsewhere[^<]*host/, 'from where the port is reached');
  t.match(page, /TAKEN by this host itself/, 'with the way to it');
  t.notMatch(page, /<script/);
});

t.test('a table of nft that is not understood is named in the answer', async (t) => {
  const path = join(folder, 'unread.tar.gz');
  const without = async (...keys: string[]) => {
    const change = (text: string) => {
      const listings = JSON.parse(text) as { objects: object[] }[];
      const kept = (object: object) => !keys.some((key) => key in object);
      return JSON.stringify(
        listings.map((each) => ({ ...each, objects: each.objects.filter(kept) })),
      );
    };
    writeFileSync(path, await forged({ 'rules-native.json': change }));
    return said('explain', 'elsewhere', ':8080', '--from', path);
  };
  t.match(await without('table'), {
    code: 4,
    out: /DEPENDS on tables that nft itself made, and that could not be read:\n {2}table inet my, chain f \(hook forward\)/,
  });
  t.match(await without('table', 'chain'), { code: 1, err: /a table without a name or a hook/ });
});

t.test('a bundle that tsbridge did not write is refused with a word', async (t) => {
  const path = join(folder, 'forged.tar.gz');
  const refused = async (bytes: Uint8Array, words: RegExp) => {
    writeFileSync(path, bytes);
    const { code, out, err } = await said('explain', 'elsewhere', ':8080', '--from', path);
    t.match({ code, out, err }, { code: 1, out: '', err: words });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
    t.notMatch(err, /[\x00-\x09\x0b-\x1f]/);
  };
  await refused(Buffer.from('no gzip'), /cannot be unpacked/);
  await refused(gzipSync(Buffer.from('no tar'.repeat(1000))), /is no bundle/);
  await refused(gzipSync(Buffer.alloc(65 * 1024 * 1024)), /has more than 67108864 bytes/);
  await refused(await forged({ 'manifest.json': () => '{' }), /manifest.json is no JSON/);
  await refused(
    await forged({ 'manifest.json': (text) => text.replace(/"sha256": "./, '"sha256": "x') }),
    /not as its manifest says/,
  );
  await refused(await forged({ 'links.json': () => '[{' }), /links.json is no JSON/);
  await refused(await forged({ 'links.json': () => '[null]' }), /a list has null/);
  await refused(
    await forged({ 'links.json': () => '{}' }),
    /links.json has what tsbridge diags does not write/,
  );
  await refused(
    await forged({ 'links.json': () => `${'['.repeat(2e6)}${']'.repeat(2e6)}` }),
    /links.json/,
  );
  await refused(
    await forged({ 'links.json': (text) => text.replace('"eth0"', '"e\\u001b[2J"') }),
    /links.json has what/,
  );
  await refused(
    await forged({
      'rules-ipv4.txt': (text) => text.replace('DOCKER-USER', 'A"\u001b]0;x\u0007"'),
    }),
    /rules-ipv4.txt has what/,
  );
  await refused(
    await forged({ 'rules-native.json': (text) => text.replace('in: ', '\\u001b[2J') }),
    /rules-native.json has what/,
  );
  await refused(
    await forged({ 'routes-ipv4.json': (text) => text.replace('"default"', '"default","x":1') }),
    /routes-ipv4.json has what/,
  );
  await refused(
    await forged({ '../../etc/cron.d/x': () => 'x' }),
    /it has "\.\.\/\.\.\/etc\/cron.d\/x"/,
  );
  await refused(await forged({ '/etc/x.txt': () => 'x' }), /it has "\/etc\/x.txt"/);
  await refused(await forged({ 'a\u001b[2J.txt': () => 'x' }), /it has "a\\u001b/);
  await refused(await forged({ 'inventory.json': () => '{}' }), /inventory.json|no list/);
  t.match(await said('explain', 'elsewhere', ':8080', '--from', folder), {
    code: 1,
    err: /it is no file/,
  });
  run('mkfifo', [join(folder, 'pipe')]);
  t.match(await said('explain', 'elsewhere', ':8080', '--from', join(folder, 'pipe')), {
    code: 1,
    err: /it is no file/,
  });
  t.match(await said('explain', 'elsewhere', ':8080', '--from', `${folder}/no`), {
    code: 1,
    err: /cannot be read/,
  });
});
