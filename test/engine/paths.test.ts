/**
 * Which way a packet goes, and which address the server then sees: each as a real connection, on
 * every engine, with the userland proxy and without, over IPv4 and IPv6. What is expected is what
 * Docker's documents say, and the built-in driver of the same engine is asked the same.
 */
import t from 'tap';
import type { Test } from '../lab/fixture.js';
import { ADDRESSES, type Lab } from '../lab/lab.js';
import { Pair } from '../lab/pair.js';
import {
  Asker,
  inOpen,
  other,
  other6,
  populate,
  populateOpen,
  type Question,
  routeThroughHost,
  type Seen,
  unpopulate,
  unpopulateOpen,
  web,
  web6,
} from '../lab/paths.js';
import type { EngineVersion } from '../lab/suites.js';

interface Row {
  readonly name: string;
  readonly question: Question;
  /** With the proxy, and without. */
  readonly sees: readonly [on: Seen, off: Seen];
}

const row = (
  name: string,
  from: Question['from'],
  to: string,
  port: number,
  ...sees: [on: Seen, off: Seen]
): Row => ({ name, question: { from, to, port, proto: port === 5353 ? 'udp' : 'tcp' }, sees });

const { host, host6, world, world6 } = ADDRESSES;

/** The same in every generation. */
const always: readonly Row[] = [
  row('another host → host:port', 'lan', host, 8080, 'lan', 'lan'),
  row('another host → host:port, IPv6', 'lan', host6, 8080, 'lan', 'lan'),
  row('another host → host:port, UDP', 'lan', host, 5353, 'lan', 'lan'),
  row('another host → host:port, UDP, IPv6', 'lan', host6, 5353, 'lan', 'lan'),
  row('the host → its own address:port', 'host', host, 8080, 'host', 'gateway'),
  row('the host → its own address:port, IPv6', 'host', host6, 8080, 'host', 'gateway'),
  row('the host → 127.0.0.1:port', 'host', '127.0.0.1', 8080, 'gateway', 'gateway'),
  row('the host → 127.0.0.1:port, UDP', 'host', '127.0.0.1', 5353, 'gateway', 'gateway'),
  row('the host → [::1]:port', 'host', '::1', 8080, 'gateway', 'nobody'),
  row('the same network → host:port', 'client', host, 8080, 'gateway', 'client'),
  row('the same network → host:port, IPv6', 'client', host6, 8080, 'gateway', 'client'),
  row('the same network → host:port, UDP', 'client', host, 5353, 'gateway', 'client'),
  row('the container itself → host:port', 'web', host, 8080, 'gateway', 'gateway'),
  row('the container itself → host:port, IPv6', 'web', host6, 8080, 'gateway', 'gateway'),
  row('another network → host:port', 'other', host, 8080, 'gateway', 'nobody'),
  row('another network → host:port, IPv6', 'other', host6, 8080, 'gateway', 'nobody'),
  row('docker0 → host:port', 'zero', host, 8080, 'gateway', 'nobody'),
  row('a container → host:port of docker0', 'web', host, 8090, 'docker0', 'nobody'),
  row('the same network → container', 'client', web, 80, 'client', 'client'),
  row('the same network → container, IPv6', 'client', web6, 80, 'client', 'client'),
  row('another network → container', 'other', web, 80, 'nobody', 'nobody'),
  row('another network → container, IPv6', 'other', web6, 80, 'nobody', 'nobody'),
  row('and back', 'web', other, 80, 'nobody', 'nobody'),
  row('and back, IPv6', 'web', other6, 80, 'nobody', 'nobody'),
  row('docker0 → container', 'zero', web, 80, 'nobody', 'nobody'),
  row('a container → the world', 'client', world, 9000, 'host', 'host'),
  row('a container → the world, IPv6', 'client', world6, 9000, 'host', 'host'),
  row('a container → the world, UDP', 'client', world, 5353, 'host', 'host'),
];

/** A neighbour that routes through the host: since 28 it gets nowhere. */
function neighbour(engine: EngineVersion): readonly Row[] {
  const gets: Seen = engine === '28.5' ? 'nobody' : 'lan';
  return [
    row('neighbour → published port of a container', 'lan', web, 80, gets, gets),
    row('neighbour → published port of a container, IPv6', 'lan', web6, 80, gets, gets),
    row('neighbour → port that is not published', 'lan', web, 81, 'nobody', 'nobody'),
    row('neighbour → port that is not published, IPv6', 'lan', web6, 81, 'nobody', 'nobody'),
    row('neighbour → port published on 127.0.0.1', 'lan', '127.0.0.1', 8081, gets, gets),
    // Whoever may ask the host's address may ask it by that one, too.
    row('neighbour → 127.0.0.1, published on all', 'lan', '127.0.0.1', 8080, 'lan', 'lan'),
    row('neighbour → docker0', 'lan', '172.17.0.2', 80, gets, gets),
  ];
}

/** Where a neighbour is let in on purpose: published port, and one that is not. */
const letIn: readonly Row[] = (['routed', 'unprotected', 'trusted'] as const).flatMap((name) => {
  const closed: Seen = name === 'unprotected' ? 'lan' : 'nobody';
  return [
    row(`neighbour → published port, ${name}`, 'lan', inOpen(name), 80, 'lan', 'lan'),
    row(`neighbour → unpublished port, ${name}`, 'lan', inOpen(name), 81, closed, closed),
  ];
});

/** Without rules for IPv6, as engines up to 26 are unless told otherwise. */
const withoutIp6tables: readonly Row[] = [
  row('another host → host:port, IPv6', 'lan', host6, 8080, 'gateway', 'nobody'),
  row('the host → its own address:port, IPv6', 'host', host6, 8080, 'gateway', 'nobody'),
  row('the host → [::1]:port', 'host', '::1', 8080, 'gateway', 'nobody'),
  row('another network → host:port, IPv6', 'other', host6, 8080, 'gateway', 'nobody'),
];

interface Hosts {
  readonly pair: Pair;
  readonly labs: readonly Lab[];
  /** Asks on both hosts; the one with our driver must see what is expected, and so the other. */
  check(rows: readonly Row[]): Promise<void>;
}

/** Both hosts with their networks and containers, and nothing left afterwards. */
function onHosts(
  engine: EngineVersion,
  flags: readonly string[],
  body: (hosts: Hosts, t: Test) => Promise<void>,
): void {
  const proxy = !flags.includes('--userland-proxy=false');
  t.test([engine, ...flags].join(' '), async (t) => {
    const pair = await Pair.create({
      engine,
      dockerdArgs: flags,
      tsbridgeArgs: flags.filter((flag) => flag.startsWith('--userland-proxy')),
    });
    t.teardown(() => pair.dispose());
    const { reference, candidate } = pair;
    const before = await pair.snapshot();
    await Promise.all([populate(reference, 'bridge'), populate(candidate, pair.driver)]);
    const ask = [new Asker(reference), new Asker(candidate)] as const;
    const labs = [reference, candidate];
    const check = async (rows: readonly Row[]): Promise<void> => {
      for (const { name, question, sees } of rows) {
        const expected = sees[proxy ? 0 : 1];
        const [theirs, ours] = await Promise.all(
          ask.map((asker) =>
            expected === 'nobody' ? asker.ask(question) : asker.askUntilAnswered(question),
          ),
        );
        t.equal(ours, expected, `${name}: the server sees`);
        if (answersElsewhere(engine, proxy, question)) {
          t.equal(theirs, 'nobody', `${name}: the built-in driver up to 27`);
        } else t.equal(theirs, ours, `${name}: with the built-in driver, too`);
      }
    };
    await body({ pair, labs, check }, t as Test);
    await Promise.all(labs.map(unpopulate));
    t.strictSame(await pair.leftovers(before), [], 'nothing is left');
    if (!t.passing()) candidate.printLogs();
  });
}

/** docs/differences.md: "UDP through the proxy is answered from the address that was asked". */
function answersElsewhere(engine: EngineVersion, proxy: boolean, question: Question): boolean {
  const { from, to, proto } = question;
  return engine !== '28.5' && proxy && from === 'client' && to === host && proto === 'udp';
}

for (const engine of ['20.10', '26.1', '28.5'] as const) {
  for (const proxy of [[], ['--userland-proxy=false']]) {
    const ip6tables = engine === '28.5' ? [] : ['--experimental', '--ip6tables'];
    onHosts(engine, [...proxy, ...ip6tables], async ({ pair, labs, check }) => {
      const ports = ['tcp/9000', `udp/5353@${world}`];
      const servers = await Promise.all(labs.map((lab) => lab.serve('lan', ...ports)));
      await check(always);
      const zero = (await pair.candidate.inspect('zero')).NetworkSettings.Networks.bridge;
      const address = zero?.IPAddress ?? '';
      await check([row('container → docker0', 'web', address, 80, 'nobody', 'nobody')]);
      await Promise.all(labs.map(routeThroughHost));
      await check(neighbour(engine));
      await Promise.all(servers.map((server) => server.kill()));
      if (engine !== '28.5') return;
      await Promise.all([
        populateOpen(pair.reference, 'bridge'),
        populateOpen(pair.candidate, pair.driver),
      ]);
      await check(letIn);
      await Promise.all(labs.map(unpopulateOpen));
    });
  }
}

for (const engine of ['20.10', '26.1'] as const) {
  onHosts(engine, [], async ({ check }) => check(withoutIp6tables));
}
