/** Random tables of nft's own, as `nft -f` takes them. */
import type { Random } from '../fuzz/random.js';
import type { Scene } from './random-rules.js';

type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** At each hook priorities that nobody else has: of chains of one priority the kernel does not tell the order. */
const filters: Readonly<Record<Hook, readonly number[]>> = {
  prerouting: [-310, -290, -160, -140, -90, 10],
  input: [-160, -140, -5, 10, 110],
  forward: [-160, -5, 10, 60],
  output: [-310, -290, -140, -90, 5, 60],
  postrouting: [-160, -140, 90, 110],
};
const nats: Readonly<Partial<Record<Hook, readonly number[]>>> = {
  prerouting: [-110, -90],
  input: [90, 110],
  output: [-110, -90],
  postrouting: [90, 110],
};
const hooks = Object.keys(filters) as Hook[];

/** Of the packets' family, and of both. */
const familiesOf = ({ family }: Scene) => ['inet', family === 4 ? 'ip' : 'ip6'];
/** No two tables have the same name. */
export const tablesOf = (scene: Scene) =>
  familiesOf(scene).map((each) => [each, `lot${each}`] as const);

/** One table of each; every rule on a line of its own. @param isTied half of the chains have others' priorities */
export function randomNative(random: Random, scene: Scene, isTied = false): string {
  const used = new Set<string>();
  return familiesOf(scene)
    .map((family) => nativeTable(random, scene, family, used, isTied))
    .join('');
}

/** Removes what {@link randomNative} made, if it is there. */
export function withoutNative(scene: Scene): string {
  return tablesOf(scene)
    .map(([family, name]) => `table ${family} ${name}\ndelete table ${family} ${name}\n`)
    .join('');
}

/** Of iptables' own tables, at each hook. */
const sharedPriorities: Readonly<Record<Hook, readonly number[]>> = {
  prerouting: [-300, -150],
  input: [-150, 0],
  forward: [-150, 0],
  output: [-300, -150, 0],
  postrouting: [-150],
};

/**
 * @param used the places that are taken already
 * @param isTied they may be taken twice, also from iptables; but for those of nat: which of these is asked in vain before
 * one that translates depends on their order, and makes no difference
 */
function nativeTable(
  random: Random,
  scene: Scene,
  family: string,
  used: Set<string>,
  isTied: boolean,
): string {
  const lot = new Lot(random, scene, family);
  const chains: string[] = [];
  for (let count = 0; count < 7; count += 1) {
    const isNat = random.chance(30);
    const hook = random.pick(hooks);
    const own = (isNat ? nats : filters)[hook];
    if (own === undefined) continue;
    const mayTie = isTied && !isNat;
    const isShared = mayTie && random.chance(50);
    const priority = random.pick(isShared ? sharedPriorities[hook] : own);
    const place = `${hook} ${priority} ${isNat}`;
    if (!mayTie && used.has(place)) continue;
    used.add(place);
    const type = isNat ? 'nat' : hook === 'output' && random.chance(40) ? 'route' : 'filter';
    const policy = !isNat && random.chance(10) ? 'drop' : 'accept';
    const rules = Array.from({ length: 1 + random.number(6) }, () =>
      lot.rule(hook, type, ['one', 'two']),
    );
    chains.push(
      `chain base${count} { type ${type} hook ${hook} priority ${priority}; policy ${policy};\n${rules.join('\n')}\n}`,
    );
  }
  const called = ['one', 'two'].map((name, index) => {
    const rules = Array.from({ length: 1 + random.number(4) }, () =>
      lot.rule(undefined, 'called', index === 0 ? ['two'] : []),
    );
    return `chain ${name} {\n${rules.join('\n')}\n}`;
  });
  return `table ${family} lot${family} {\n${[...lot.sets(), ...called.reverse(), ...chains].join('\n')}\n}\n`;
}

class Lot {
  readonly #address: string;
  /** nft 1.0.6 lists “tcp dport < 80 ip ttl > 32” as one range of the second, so no table has both directions. */
  readonly #compare: readonly string[];

  constructor(
    private readonly random: Random,
    private readonly scene: Scene,
    private readonly family: string,
  ) {
    this.#address = scene.family === 4 ? 'ip' : 'ip6';
    this.#compare = random.pick([
      ['<', '<='],
      ['>', '>='],
    ]);
  }

  sets(): string[] {
    const { random, scene } = this;
    const type = scene.family === 4 ? 'ipv4_addr' : 'ipv6_addr';
    const [one, two] = [random.pick(scene.others), random.pick(scene.own)];
    const network = random.pick(scene.networks);
    const ports = `${random.pick(scene.ports)}, 8000-8009`;
    return [
      `set addresses { type ${type}; flags interval; auto-merge; elements = { ${one}, ${network} } }`,
      `set pairs { type ${type} . inet_service; flags interval; elements = { ${network} . 80-443, ${two} . 22 } }`,
      `set ports { type inet_service; flags interval; auto-merge; elements = { ${ports} } }`,
      'set names { type ifname; flags interval; elements = { "tun1", "lo" } }',
      'map verdicts { type inet_service : verdict; elements = { 22 : drop, 80 : accept, 443 : return } }',
    ];
  }

  rule(hook: Hook | undefined, type: string, chains: readonly string[]): string {
    const { random } = this;
    const matches = Array.from({ length: random.number(3) }, () => this.#match(hook));
    return [...matches, ...this.#does(hook, type, chains)].join(' ');
  }

  #match(hook: Hook | undefined): string {
    const { random, scene } = this;
    const address = this.#address;
    const not = random.chance(25) ? '!= ' : '';
    const side = random.pick(['saddr', 'daddr']);
    const one = random.pick([...scene.others, ...scene.own]);
    const port = random.pick(scene.ports);
    const l4 = random.pick(['tcp', 'udp', 'th']);
    // Of other protocols the kernel takes whatever stands at the ports' place.
    const ports = l4 === 'th' ? 'meta l4proto { tcp, udp } ' : '';
    const name = random.pick([...scene.interfaces, 'lo', 'tun*']);
    const icmp = scene.family === 4 ? 'icmp' : 'icmpv6';
    const all = [
      `${address} ${side} ${not}${one}`,
      `${address} ${side} ${not}${random.pick(scene.networks)}`,
      `${address} ${side} ${not}{ ${one}, ${random.pick(scene.networks.slice(0, 3))} }`,
      `${address} ${side} ${not}@addresses`,
      `${ports}${address} ${side} . ${l4} dport ${not}@pairs`,
      `${ports}${l4} dport ${not}${port}`,
      `${ports}${l4} dport ${not}{ ${port}, 8000-8009 }`,
      `${ports}${l4} dport ${not}@ports`,
      `${ports}${l4} dport ${random.pick(this.#compare)} ${port}`,
      `tcp flags ${random.pick(['syn', '& (syn|ack) == syn', '& (fin|syn|rst|ack) != syn', '== syn', '! ack', 'syn,ack'])}`,
      `${icmp} type ${not}${random.pick(['echo-request', '{ echo-request, echo-reply }'])}`,
      `iifname ${not}"${name}"`,
      `iifname ${not}@names`,
      `iifname { "tun0", "lo" }`,
      `meta l4proto ${not}${random.pick(['tcp', 'udp', '{ tcp, udp }'])}`,
      `meta mark ${random.pick([`${not}1`, '& 0x3 == 0x2', '& 0xf != 0x1', `${not}{ 0, 2 }`])}`,
      `ct state ${random.pick(['new', 'established,related', 'invalid', '!= new', '{ new, untracked }', '!= { invalid, new }', '! new', 'new,established'])}`,
      `ct status ${random.pick(['dnat', 'snat', '! dnat', 'dnat,snat', 'confirmed'])}`,
      `ct mark ${random.pick([`${not}1`, '& 0x3 == 0x2', `${not}{ 0, 2 }`])}`,
      `ct direction ${random.pick(['original', 'reply', '!= reply'])}`,
      `ct original ${address} ${side} ${not}${one}`,
      `fib ${side} type ${not}${random.pick(['local', 'unicast', '{ local, broadcast }'])}`,
      `${address} dscp ${not}${random.pick(['cs1', '4', '{ 4, cs1 }'])}`,
      `${address === 'ip' ? 'ip ttl' : 'ip6 hoplimit'} ${random.pick([`${random.pick(this.#compare)} 40`, '63', `${not}64`])}`,
      `meta length ${random.pick([`${random.pick(this.#compare)} 70`, '60', '!= 60'])}`,
      `meta iifname . meta l4proto { "tun0" . tcp, "tun1" . udp, "" . udp }`,
      ...(hook === 'prerouting' || hook === 'input' ? [] : [`oifname ${not}"${name}"`]),
      ...(hook === 'prerouting' || hook === 'input' || hook === 'forward'
        ? ['fib saddr . iif oif missing', 'fib saddr . mark . iif oif exists']
        : []),
      ...(this.family === 'inet' ? ['meta nfproto ipv4', 'meta nfproto ipv6'] : []),
    ];
    return random.pick(all);
  }

  #does(hook: Hook | undefined, type: string, chains: readonly string[]): string[] {
    const { random } = this;
    const calls = chains.flatMap((name) => [`jump ${name}`, `jump ${name}`, `goto ${name}`]);
    const plain = [
      '',
      'counter',
      'accept',
      'return',
      'continue',
      'counter log prefix "x "',
      ...calls,
    ];
    const maps = [
      'tcp dport vmap @verdicts',
      `ct state vmap { new : ${random.pick(['accept', 'return', 'continue'])}, invalid : drop }`,
      `iifname vmap { "tun*" : ${random.pick(calls.length > 0 ? calls : ['return'])}, "lo" : accept }`,
      `meta l4proto . th dport vmap { tcp . 80 : accept, udp . 22-100 : return }`,
    ];
    const marks = [
      `meta mark set ${random.pick(['1', '2', 'meta mark or 0x4', 'meta mark and 0xf0 or 0x2', 'ct mark'])}`,
      `ct mark set ${random.pick(['1', 'meta mark', 'ct mark or 0x2', 'meta mark and 0xf'])}`,
    ];
    const both = [
      `${random.pick(marks)} ${random.pick(['accept', 'counter', `${this.#match(hook)} accept`])}`,
    ];
    if (type === 'nat')
      return [random.pick([...plain, ...maps, ...this.#translations(hook as Hook)])];
    const early = hook === 'prerouting' || hook === 'output' ? ['notrack'] : [];
    const refuses =
      hook === undefined || hook === 'prerouting' || hook === 'postrouting' ? [] : ['reject'];
    const filter = [...plain, ...maps, ...early, 'drop', ...refuses];
    return [
      random.pick(
        type === 'called' ? [...plain, ...maps.slice(0, 2)] : [...filter, ...marks, ...both],
      ),
    ];
  }

  #translations(hook: Hook): string[] {
    const { random, scene } = this;
    const to = this.family === 'inet' ? `${this.#address} to` : 'to';
    const bracket = (host: string) => (scene.family === 4 ? host : `[${host}]`);
    const other = random.pick([...scene.others, ...scene.own]);
    if (hook === 'prerouting' || hook === 'output') {
      return [
        `dnat ${to} ${other}`,
        `meta l4proto udp dnat ${to} ${bracket(other)}:${random.pick(scene.ports)}`,
        `meta l4proto udp dnat ${to} ${bracket(other)}:8000-8010`,
        'meta l4proto tcp redirect to :8080',
      ];
    }
    const snat = `snat ${to} ${random.pick(scene.own)}`;
    return hook === 'postrouting' ? [snat, 'masquerade'] : [snat];
  }
}
