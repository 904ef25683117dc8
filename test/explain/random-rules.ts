/** Random rule sets, as iptables-restore takes them. */
import type { Family } from '../../src/core/address.js';
import type { Random } from '../fuzz/random.js';

/** What the rules and the packets are about. */
export interface Scene {
  readonly family: Family;
  readonly interfaces: readonly string[];
  /** Of the host. */
  readonly own: readonly string[];
  /** Behind an interface. */
  readonly others: readonly string[];
  readonly networks: readonly string[];
  readonly ports: readonly number[];
}

const builtIn: Readonly<Record<string, readonly string[]>> = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
};

export function randomRules(random: Random, scene: Scene): string {
  return Object.keys(builtIn)
    .map((table) => randomTable(random, scene, table))
    .join('');
}

function randomTable(random: Random, scene: Scene, table: string): string {
  const lines = [`*${table}`];
  const chains = builtIn[table] ?? [];
  for (const chain of chains) {
    const drops = table !== 'nat' && random.chance(table === 'filter' ? 20 : 5);
    lines.push(`:${chain} ${drops ? 'DROP' : 'ACCEPT'} [0:0]`);
  }
  // A chain is only entered by chains before it, so none calls itself. Those of nat serve one hook each, since
  // DNAT is refused where the source is translated.
  const own = ['A', 'B', 'C'].flatMap((letter) =>
    table === 'nat' || table === 'filter'
      ? chains.map((chain) => `${letter}-${chain}`)
      : [`U-${letter}`],
  );
  for (const chain of own) lines.push(`:${chain} - [0:0]`);
  for (const chain of [...chains, ...own]) {
    const rules = random.number(5);
    for (let count = 0; count < rules; count += 1) {
      const callable = own.filter((other) => isCallable(chain, other, chains));
      const matches = randomMatches(random, scene, hookOf(chain, chains), table);
      const target = randomTarget(random, scene, table, hookOf(chain, chains), callable);
      // A translation of ports says its protocol itself.
      const without = target.startsWith('-p') ? matches.replace(/^.*?-p .*$/, '') : matches;
      lines.push(['-A', chain, without, target].filter((part) => part !== '').join(' '));
    }
  }
  return `${lines.join('\n')}\nCOMMIT\n`;
}

/** The hook that a chain serves, if it serves one alone. */
function hookOf(chain: string, chains: readonly string[]): string | undefined {
  return chains.find((hook) => chain === hook || chain.endsWith(`-${hook}`));
}

function isCallable(chain: string, other: string, chains: readonly string[]): boolean {
  const [from, to] = [hookOf(chain, chains), hookOf(other, chains)];
  if (to !== undefined && from !== to) return false;
  return chains.includes(chain) || other > chain;
}

function randomMatches(
  random: Random,
  scene: Scene,
  hook: string | undefined,
  table: string,
): string {
  const parts: string[] = [];
  const maybe = (percent: number, part: () => string) => {
    if (random.chance(percent)) parts.push(part());
  };
  const not = () => (random.chance(25) ? '! ' : '');
  const address = () => random.pick([...scene.own, ...scene.others, ...scene.networks]);
  const interfaceName = () => random.pick([...scene.interfaces, 'tun+', 'lo', 'none0']);
  maybe(25, () => `${not()}-s ${address()}`);
  maybe(25, () => `${not()}-d ${address()}`);
  const early = hook === 'PREROUTING' || hook === 'INPUT';
  const late = hook === 'OUTPUT' || hook === 'POSTROUTING';
  if (hook === 'FORWARD' || early) maybe(25, () => `${not()}-i ${interfaceName()}`);
  if (hook === 'FORWARD' || late) maybe(25, () => `${not()}-o ${interfaceName()}`);
  if (random.chance(50)) parts.push(ofProtocol(random, scene));
  else maybe(10, () => `${not()}-p ${random.pick(['tcp', 'udp', '50'])}`);
  maybe(15, () => `-m addrtype ${not()}--dst-type ${random.pick(['LOCAL', 'UNICAST'])}`);
  maybe(5, () => `-m addrtype ${not()}--src-type ${random.pick(['LOCAL', 'UNICAST'])}`);
  maybe(15, () => conntrack(random, scene));
  maybe(15, () => `-m mark ${not()}--mark ${random.pick(['0x0', '0x1', '0x2/0x2', '0x4/0xf'])}`);
  maybe(8, () => `-m connmark ${not()}--mark ${random.pick(['0x0', '0x1', '0x2/0x3'])}`);
  maybe(
    8,
    () => `-m iprange ${not()}--${random.pick(['src', 'dst'])}-range ${range(random, scene)}`,
  );
  maybe(6, () => {
    const kind = scene.family === 4 ? 'ttl' : 'hl';
    return `-m ${kind} --${kind}-${random.pick(['eq', 'lt', 'gt'])} ${random.pick([1, 32, 63, 64])}`;
  });
  maybe(6, () => `-m length ${not()}--length ${random.pick(['60', '0:80', '100:65535'])}`);
  maybe(6, () => `-m dscp ${not()}--dscp ${random.pick(['0x00', '0x08', '0x2e'])}`);
  maybe(6, () => `-m tos ${not()}--tos ${random.pick(['0x00/0xff', '0x10/0x3f', '0x20/0xe0'])}`);
  maybe(5, () => `-m pkttype ${not()}--pkt-type unicast`);
  maybe(
    5,
    () => `-m comment --comment "${random.pick(['a \\"b\\" -j DROP', 'plain', '! -p tcp'])}"`,
  );
  if (table === 'nat' || table === 'filter') maybe(4, () => `-m state ${not()}--state NEW`);
  return parts.join(' ');
}

function ofProtocol(random: Random, scene: Scene): string {
  const not = () => (random.chance(25) ? '! ' : '');
  const port = () => random.pick([...scene.ports.map(String), '1:1024', '20000:25000', '25000:']);
  const protocol = random.pick(['tcp', 'udp', 'icmp']);
  if (protocol === 'icmp') {
    const [name, option] =
      scene.family === 4 ? ['icmp', 'icmp-type'] : ['ipv6-icmp', 'icmpv6-type'];
    const types = scene.family === 4 ? ['8', '8/0', '0', 'any'] : ['128', '129'];
    return `-p ${name} -m ${scene.family === 4 ? 'icmp' : 'icmp6'} ${not()}--${option} ${random.pick(types)}`;
  }
  const parts = [`-p ${protocol}`];
  const one = () => `-m ${protocol} ${not()}--${random.pick(['sport', 'dport'])} ${port()}`;
  const many = () => {
    const list = [random.pick(scene.ports), random.pick(scene.ports), '20000:22000'].join(',');
    return `-m multiport ${not()}--${random.pick(['sports', 'dports', 'ports'])} ${list}`;
  };
  const flags = () =>
    `-m tcp ${not()}--tcp-flags ${random.pick(['FIN,SYN,RST,ACK SYN', 'SYN,ACK SYN,ACK', 'ALL NONE'])}`;
  if (random.chance(70))
    parts.push(random.pick(protocol === 'tcp' ? [one, many, flags] : [one, many])());
  return parts.join(' ');
}

function conntrack(random: Random, scene: Scene): string {
  const not = random.chance(25) ? '! ' : '';
  const states = [
    'NEW',
    'RELATED,ESTABLISHED',
    'INVALID',
    'DNAT',
    'SNAT',
    'NEW,UNTRACKED',
    'UNTRACKED',
  ];
  const option = random.pick<() => string>([
    () => `--ctstate ${random.pick(states)}`,
    () => `--ctstate ${random.pick(states)}`,
    () => `--ctstate ${random.pick(states)}`,
    () => `--ctorigdst ${random.pick([...scene.own, ...scene.others])}`,
    () => `--ctorigsrc ${random.pick(scene.others)}`,
    () => `--ctorigdstport ${random.pick(scene.ports)}`,
    () => `--ctdir ORIGINAL`,
    () => `--ctdir REPLY`,
    () => `--ctproto ${random.pick(['6', '17'])}`,
    () => `--ctreplsrc ${random.pick([...scene.own, ...scene.others])}`,
    () => `--ctstatus ${random.pick(['CONFIRMED', 'SEEN_REPLY', 'ASSURED'])}`,
  ])();
  // xt_conntrack takes no `!` before a direction.
  return `-m conntrack ${option.startsWith('--ctdir') ? '' : not}${option}`;
}

function range(random: Random, scene: Scene): string {
  const two = [random.pick(scene.others), random.pick(scene.own)].sort(byAddress);
  return two.join('-');
}

function byAddress(one: string, other: string): number {
  const key = (text: string) =>
    text.includes(':')
      ? text
      : text
          .split('.')
          .map((part) => part.padStart(3, '0'))
          .join('.');
  return key(one) < key(other) ? -1 : 1;
}

function randomTarget(
  random: Random,
  scene: Scene,
  table: string,
  hook: string | undefined,
  callable: readonly string[],
): string {
  if (callable.length > 0 && random.chance(40)) {
    return `${random.chance(20) ? '-g' : '-j'} ${random.pick(callable)}`;
  }
  const plain = ['', '-j RETURN', '-j ACCEPT', '-j LOG --log-prefix "x "'];
  if (table === 'nat') return random.pick([...plain, ...translations(random, scene, hook)]);
  if (table === 'raw') return random.pick([...plain, '-j DROP', '-j CT --notrack', mark(random)]);
  if (table === 'mangle') return random.pick([...plain, ...mangling(random, scene), '-j DROP']);
  return random.pick([...plain, '-j DROP', '-j REJECT']);
}

function mark(random: Random): string {
  return `-j MARK --set-xmark ${random.pick(['0x1/0xffffffff', '0x2/0x2', '0x4/0xf', '0x0/0x1'])}`;
}

function mangling(random: Random, { family }: Scene): string[] {
  const hops = family === 4 ? 'TTL --ttl' : 'HL --hl';
  return [
    mark(random),
    mark(random),
    `-j CONNMARK --set-xmark ${random.pick(['0x1/0xffffffff', '0x2/0x3'])}`,
    '-j CONNMARK --save-mark --nfmask 0xf --ctmask 0xff',
    '-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff',
    `-j TOS --set-tos ${random.pick(['0x10/0xff', '0x20/0xe0'])}`,
    `-j DSCP --set-dscp ${random.pick(['0x08', '0x2e'])}`,
    `-j ${hops}-${random.pick(['set 32', 'dec 1', 'inc 1'])}`,
  ];
}

function translations(
  random: Random,
  { own, others, ports, family }: Scene,
  hook?: string,
): string[] {
  const withPort = (address: string, port: string) =>
    family === 4 ? `${address}:${port}` : `[${address}]:${port}`;
  if (hook === 'PREROUTING' || hook === 'OUTPUT') {
    const to = random.pick([...others, ...own]);
    const port = random.pick([`${random.pick(ports)}`, '8000-8010']);
    const redirect = '-p tcp -j REDIRECT --to-ports 8080';
    return [
      `-j DNAT --to-destination ${to}`,
      `-p udp -j DNAT --to-destination ${withPort(to, port)}`,
      redirect,
    ];
  }
  const snat = `-j SNAT --to-source ${random.pick(own)}`;
  return hook === 'POSTROUTING' ? [snat, '-j MASQUERADE'] : [snat];
}
