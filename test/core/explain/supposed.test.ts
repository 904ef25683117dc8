/** Rules in thought: `explain --with` and `--without`. */
import t from 'tap';
import { readTables } from '../../../src/codec/iptables/iptables-words.js';
import { parseRemoved, parseSupposed } from '../../../src/codec/iptables/supposed-rules.js';
import type { RuleTable } from '../../../src/core/explain/chains/rule-table.js';
import {
  type RemovedRule,
  type SupposedRule,
  suppose,
} from '../../../src/core/explain/supposed.js';

const saved = `*filter
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -i br-1 -j ACCEPT
COMMIT`;
const tables = readTables(saved.split('\n'), 4, 'nft');

function withRule(text: string): SupposedRule {
  const rule = parseSupposed(text);
  if (rule === undefined) throw new Error(`refused: ${text}`);
  return rule;
}

function withoutRule(text: string): RemovedRule {
  const rule = parseRemoved(text);
  if (rule === undefined) throw new Error(`refused: ${text}`);
  return rule;
}

function listed(all: readonly RuleTable[], chain = 'FORWARD', table = 'filter'): string[] {
  const found = all.find(({ name, chains }) => name === table && chains.has(chain));
  return found?.chains.get(chain)?.rules.map(({ number, text }) => `${number} ${text}`) ?? [];
}

t.test('rules are read as one types them for iptables', async (t) => {
  t.match(withRule('-t nat -A PREROUTING -p tcp -j DNAT --to-destination 10.0.0.1'), {
    ...{ kind: 'with', table: 'nat', chain: 'PREROUTING', position: undefined },
    rule: { target: { name: 'DNAT' } },
  });
  t.match(withRule('--insert DOCKER-USER --protocol udp ! --dport 53 --jump DROP'), {
    ...{ table: 'filter', chain: 'DOCKER-USER', position: 1 },
    rule: {
      text: '-p udp -m udp ! --dport 53 -j DROP',
      matches: [{ module: '' }, { module: 'udp', options: [{ flag: '--dport', negated: true }] }],
    },
  });
  t.equal(withRule('-I FORWARD 3 -p tcp -m multiport --dports 1,2 -j ACCEPT').position, 3);
  const quoted = withRule('-A FORWARD -m comment --comment "a \\"b\\" -p tcp" -j DROP');
  t.equal(quoted.rule.text, '-m comment --comment "a \\"b\\" -p tcp" -j DROP');
  const refused = ['', 'x', '-A', '-t', '-t other -A X -j DROP', '-A FORWARD', '-A FORWARD 1 -j X'];
  for (const text of [
    ...refused,
    '-D FORWARD 1',
    '-I FORWARD 0 -j X',
    '-A F\n -j DROP',
    '-A ! -j X',
  ])
    t.equal(parseSupposed(text), undefined, text);
});

t.test('an option counts for its protocol wherever it stands, as iptables has it', async (t) => {
  const texts: Readonly<Record<string, string>> = {
    '-p tcp -m comment --comment x --dport 80 -j DROP':
      '-p tcp -m comment --comment x -m tcp --dport 80 -j DROP',
    '-p tcp -m conntrack --ctstate NEW ! --dport=80 -j DROP':
      '-p tcp -m conntrack --ctstate NEW -m tcp ! --dport 80 -j DROP',
    '-p tcp -j DROP --destination-port 80': '-p tcp -j DROP -m tcp --dport 80',
    '-p 17 -m udp --sport 5 -j ACCEPT': '-p 17 -m udp --sport 5 -j ACCEPT',
    '-p icmp --icmp-type 8 -j DROP': '-p icmp -m icmp --icmp-type 8 -j DROP',
    '-m comment --comment \'a "b" -j ACCEPT\' -j DROP':
      '-m comment --comment "a \\"b\\" -j ACCEPT" -j DROP',
    '-m comment --comment "it\'s" ! -f': '-m comment --comment "it\'s" ! -f',
  };
  for (const [typed, text] of Object.entries(texts)) {
    t.equal(withRule(`-A FORWARD ${typed}`).rule.text, text);
  }
  const { rule } = withRule('-A FORWARD -p tcp -j DROP --dport 80');
  t.match(rule, {
    matches: [{ module: '' }, { module: 'tcp', options: [{ flag: '--dport', values: ['80'] }] }],
    target: { name: 'DROP', options: [] },
  });
});

t.test('a rule of which a part would be left out is refused, as iptables refuses it', async (t) => {
  const wrong = [
    ...['--jump=DROP', '-jDROP', '--jum DROP', '-j DROP --dport 80', '-j LOG --dport 80'],
    ...['! -j DROP', '-j DROP -j ACCEPT', '-j DROP -g X', '-j', '-j DROP RETURN', '-m -j DROP'],
    ...['-s 1.2.3.4 -s 1.2.3.5 -j DROP', '-i a b -j DROP', '-f x -j DROP', '-dport 80 -j DROP'],
    ...['-p tcp --dport ! 80 -j DROP', '-m comment --comment a --foo -j DROP', '-j DROP !'],
    ...['-w -j DROP', '-m comment --comment "a -j DROP', '-m limit -x -j DROP', '-j DROP --x 1'],
  ];
  for (const text of wrong) t.equal(parseSupposed(`-A FORWARD ${text}`), undefined, text);
});

t.test('rules that are to go are named by number or text', async (t) => {
  t.strictSame(withoutRule('-t nat DOCKER 3'), {
    ...{ kind: 'without', table: 'nat', chain: 'DOCKER', which: 3 },
  });
  t.match(withoutRule('-D FORWARD 1'), { table: 'filter', which: 1 });
  t.match(withoutRule('-A FORWARD -i br-1 -j ACCEPT'), { which: '-i br-1 -j ACCEPT' });
  for (const text of ['FORWARD', 'FORWARD x', '-I FORWARD 1', 'FORWARD -j DROP', '-A FORWARD'])
    t.equal(parseRemoved(text), undefined, text);
});

t.test('they come and go, and the others keep their order', async (t) => {
  const first = withRule('-I FORWARD -j LOG');
  const last = withRule('-A FORWARD -j DROP');
  const gone = withoutRule('FORWARD 2');
  t.strictSame(listed(suppose(tables, 4, [first, last, gone])), [
    ...['1 -j LOG', '2 -j DOCKER-USER', '3 -j DROP'],
  ]);
  const byText = withoutRule('-A FORWARD -j DOCKER-USER');
  t.strictSame(listed(suppose(tables, 4, [byText])), ['1 -i br-1 -j ACCEPT']);
  t.strictSame(listed(tables), ['1 -j DOCKER-USER', '2 -i br-1 -j ACCEPT'], 'nothing is changed');
  // Chains that iptables would make by itself.
  const nat = suppose(tables, 4, [withRule('-t nat -A OUTPUT -j RETURN')]);
  t.strictSame(listed(nat, 'OUTPUT', 'nat'), ['1 -j RETURN']);
  const output = suppose(tables, 4, [withRule('-A OUTPUT -j DROP')]);
  t.strictSame(listed(output, 'OUTPUT'), ['1 -j DROP']);
  t.equal(output.length, 1, 'in the table that is there');
});

t.test('a rule that is not there, or cannot be, is an error with its place', async (t) => {
  const cases: [SupposedRule | RemovedRule, RegExp][] = [
    [withRule('-A NOWHERE -j DROP'), /no chain NOWHERE in table filter/],
    [withRule('-I FORWARD 4 -j DROP'), /has 2 rules: no rule can be its number 4/],
    [withoutRule('FORWARD 9'), /chain FORWARD of table filter has no rule 9/],
    [
      withoutRule('-A FORWARD -j X'),
      /no rule “-j X”; it is compared with what iptables-save prints/,
    ],
  ];
  for (const [rule, message] of cases) t.throws(() => suppose(tables, 4, [rule]), { message });
});

t.test('targets and interfaces are where the kernel and iptables take them', async (t) => {
  const refused: Readonly<Record<string, RegExp>> = {
    '-A FORWARD -j DNAT --to-destination 1.2.3.4': /target DNAT: it is for table nat alone/,
    '-A DOCKER-USER -j MASQUERADE': /no rule of chain DOCKER-USER in table filter can have/,
    '-t mangle -A FORWARD -j REJECT': /target REJECT/,
    '-t nat -A POSTROUTING -j DNAT --to-destination 1.2.3.4': /from PREROUTING or OUTPUT there/,
    '-A INPUT -o eth0 -j DROP': /no rule of chain INPUT can have -o: .* leaves by is not known/,
    '-t nat -A POSTROUTING ! -i eth0 -j ACCEPT': /can have -i: .* came in by is not known/,
  };
  for (const [text, message] of Object.entries(refused)) {
    t.throws(() => suppose(tables, 4, [withRule(text)]), { message }, text);
  }
  const taken = [
    '-t nat -A PREROUTING -i eth0 -j DNAT --to-destination 1.2.3.4',
    '-t nat -A INPUT -j SNAT --to-source 1.2.3.4',
    '-A DOCKER-USER -i eth0 -o br-1 -j REJECT',
    '-A OUTPUT -o eth0 -j DROP',
  ];
  for (const text of taken) t.doesNotThrow(() => suppose(tables, 4, [withRule(text)]), text);
});
