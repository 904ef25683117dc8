/** What `nft -a monitor` (1.0.6, Linux 6.18) printed while iptables and nft changed rules. */
import t from 'tap';
import { type RuleTransaction, TransactionReader } from '../../src/codec/nft-monitor.js';

function read(...lines: readonly string[]): (RuleTransaction | 'lost')[] {
  const reader = new TransactionReader();
  return lines.flatMap((line) => reader.read(line) ?? []);
}

t.test('who, in which families, and the numbers of rules', async (t) => {
  const [first, second, third, ...rest] = read(
    'add table ip nat # handle 1',
    'create chain ip nat DOCKER # handle 1',
    '# new generation 2 by process 30361 (iptables)',
    'add rule ip nat DOCKER tcp dport 80 counter packets 0 bytes 0 dnat to 10.0.0.2:80 # handle 2',
    'insert rule ip6 filter FORWARD iifname "br0" counter packets 0 bytes 0 accept # handle 7',
    '# new generation 3 by process 30362 (iptables-nft-re)',
    'add table inet foo # handle 3',
    'add set inet foo s { # handle 1 type ipv4_addr; flags interval; } ',
    'add element inet foo s { 10.0.0.0/8 }',
    '# new generation 5 by process 30364 (nft)',
  );
  t.same(first, { pid: 30361, program: 'iptables', families: [4], added: [], tableDeleted: false });
  t.same(second, {
    pid: 30362,
    program: 'iptables-nft-re',
    families: [4, 6],
    added: [
      { family: 4, table: 'nat', chain: 'DOCKER', handle: 2 },
      { family: 6, table: 'filter', chain: 'FORWARD', handle: 7 },
    ],
    tableDeleted: false,
  });
  t.match(third, { families: [] }, 'no table of iptables');
  t.same(rest, []);
});

t.test('nft flush ruleset is one event for both families', async (t) => {
  const flushed = read(
    'delete rule ip6 filter FORWARD handle 2',
    'delete chain ip6 filter FORWARD',
    'delete table ip6 filter # handle 2',
    '# new generation 13 by process 30380 (nft)',
    'delete rule ip nat DOCKER handle 2',
    '# new generation 14 by process 30381 (iptables)',
  );
  t.match(flushed, [
    { families: [6], tableDeleted: true },
    { families: [4], tableDeleted: false },
  ]);
});

t.test('changes in chains that hold no rule of ours concern no family', async (t) => {
  const end = '# new generation 3 by process 1 (iptables-nft-re)';
  for (const line of [
    'add rule ip filter INPUT counter packets 0 bytes 0 accept # handle 2',
    'insert rule ip filter KUBE-FORWARD counter packets 0 bytes 0 accept # handle 2',
    'delete rule ip filter f2b-sshd handle 9',
    'delete chain ip6 nat MINE',
    'add rule ip mine FORWARD accept # handle 2',
    'add table ip mine # handle 7',
    'add rule inet filter FORWARD accept # handle 2',
  ]) {
    t.match(read(line, end), [{ families: [] }], line);
  }
  for (const line of [
    'add rule ip filter FORWARD accept # handle 2',
    'replace rule ip filter DOCKER-USER accept # handle 2',
    'delete rule ip nat DOCKER handle 9',
    'delete chain ip filter DOCKER-FORWARD',
    'add chain ip filter f2b-sshd # handle 4',
    'add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }',
    'delete table ip raw # handle 3',
    'insert rule ip mangle POSTROUTING counter packets 0 bytes 0 # handle 2',
  ]) {
    t.match(read(line, end), [{ families: [4] }], line);
  }
});

t.test('what is not understood may concern both families', async (t) => {
  t.match(read('frobnicate the rules', '# new generation 3 by process 1 (nft)'), [
    { families: [4, 6] },
  ]);
  t.same(read('add rule ip filter FORWARD accept # handle 2', '# new generation three'), []);
});

t.test('events that nft lost are reported as lost', async (t) => {
  const events = read(
    'add rule ip filter DOCKER counter packets 0 bytes 0 accept # handle 2',
    '# ERROR: We lost some netlink events!',
    'add rule ip filter DOCKER counter packets 0 bytes 0 accept # handle 9',
    '# new generation 9 by process 7 (nft)',
  );
  t.match(events, ['lost', { added: [{ handle: 9 }] }]);
});
