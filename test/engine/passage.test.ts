/**
 * Who reaches published ports, what containers connect to and with which address they leave, as users of engines of both
 * kinds of rules see it: real connections, by rules and by the proxy.
 */
import { labTest, SKIP_BUILT_IN } from '../lab/fixture.js';
import { ADDRESSES, type Lab } from '../lab/lab.js';
import type { Place } from '../lab/namespaces.js';
import { NODE } from '../lab/process.js';
import type { AskOptions } from '../lab/traffic.js';

/** Further addresses of the host. */
const own = { network: '192.0.2.11', published: '192.0.2.12', web: '10.66.0.2', shy: '10.66.0.3' };
const bridge = ['-o', 'com.docker.network.bridge.name=br-app', '--subnet', '10.66.0.0/24'];
const options = [
  'publish_from=192.0.2.0/24,2001:db8:0:2::/64',
  'egress_allow=198.51.100.1:9001/tcp,192.0.2.2:9001',
  `egress_ip=${own.network}`,
  'no_masquerade_to=192.0.2.0/24',
  'accept_from=192.0.2.2/32',
].flatMap((option) => ['-o', `tsbridge.${option}`]);
const ownOptions = ['publish_from=loopback', 'egress_allow=any', 'egress_ip=published']
  .map((option) => `driver-opt=tsbridge.${option}`)
  .join(',');

/** Milliseconds for an answer that has to come. */
const patience = 10_000;

type Question = readonly [from: Place, host: string, port: number, proto?: AskOptions['proto']];

/** The addresses that the servers see, or `nothing` where nobody answers; asked at the same time. */
const asked = (lab: Lab, timeoutMs: number, ...questions: readonly Question[]): Promise<string[]> =>
  Promise.all(
    questions.map(([from, host, port, proto = 'tcp']) =>
      lab.ask(from, host, port, { proto, timeoutMs }).then(
        ({ peer }) => peer.replace(/^::ffff:/, ''),
        () => 'nothing',
      ),
    ),
  );

for (const suite of ['bookworm', 'forky'] as const) {
  labTest(`options of the passage, ${suite}`, { suite, skip: SKIP_BUILT_IN }, async (t, lab) => {
    for (const address of [own.network, own.published]) {
      await lab.hostNs('ip', 'address', 'add', `${address}/24`, 'dev', 'eth0');
    }
    await lab.lanNs('ip', 'route', 'add', '10.66.0.0/24', 'via', ADDRESSES.host);
    const servers = [await lab.serve('lan', 'tcp/9001'), await lab.serve('host', 'tcp/7000')];
    const dockersRules = async (): Promise<string[]> =>
      (await lab.saveRules(4)).filter((line) => /^-A/.test(line) && !/TSBRIDGE-/.test(line)).sort();
    // With 20.10 nobody writes rules for IPv6, so that ports on its addresses could not be guarded.
    const any = suite === 'forky' ? '' : '0.0.0.0:';
    const six = (...questions: readonly Question[]) => (suite === 'forky' ? questions : []);
    const create = (...args: readonly string[]): Promise<string> =>
      lab.docker(
        'network',
        'create',
        '-d',
        'tsbridge',
        ...bridge,

        ...args,
        'app',
      );
    const run = async (network: string, shy: string): Promise<void> => {
      const web = {
        publish: [`${any}8080:80`, `${any}8053:53/udp`],
        serve: ['tcp/80', 'udp/53', 'tcp/81'],
      };
      await lab.run({ name: 'web', network, ...web, args: ['--ip', own.web] });
      const ports = { publish: [`${own.published}:8081:80`, `${any}8083:80`], serve: ['tcp/80'] };
      await lab.run({ name: 'shy', network: shy, ...ports, args: ['--ip', own.shy] });
    };
    const end = async (): Promise<void> => {
      await lab.docker('rm', '-f', 'web', 'shy');
      await lab.docker('network', 'rm', 'app');
    };

    await create('-o', 'tsbridge.accept_from=192.0.2.2/32');
    await run('app', 'app');
    const plain = await dockersRules();
    t.strictSame(
      await asked(lab, patience, ['lan', own.published, 8081]),
      ['192.0.2.2'],
      'without options',
    );
    const chains = (await lab.saveRules(4)).join('\n');
    t.notMatch(chains, /TSBRIDGE-(?!ACCEPT\b)/, 'no chain but that of accept_from');
    await end();

    await create(...options);
    await run('app', `name=app,${ownOptions}`);
    t.strictSame(await dockersRules(), plain, 'Docker’s rules are the same with them');
    const check = async (when: string): Promise<void> => {
      const [web, shy] = [await lab.container('web'), await lab.container('shy')];
      const reaching = asked(
        lab,
        patience,
        ['lan', ADDRESSES.host, 8080],
        ['lan', ADDRESSES.host, 8053, 'udp'],
        ...six(['lan', ADDRESSES.host6, 8080]),
        ['lan', own.web, 81],
        ['host', '127.0.0.1', 8080],
        ['host', own.published, 8081],
        ['host', '127.0.0.1', 8083],
      );
      const keeping = asked(
        lab,
        1_500,
        ['lan', own.published, 8081],
        ['lan', ADDRESSES.host, 8083],
        ...six(['lan', ADDRESSES.host6, 8083]),
        ['lan', own.shy, 80],
        [web, ADDRESSES.world, 9002],
        [web, '10.66.0.1', 7000],
        [web, ADDRESSES.host, 7000],
      );
      const leaving = asked(
        lab,
        patience,
        [web, ADDRESSES.world, 9001],
        [web, ADDRESSES.lan, 9001],
        [shy, ADDRESSES.world, 9001],
        [shy, ADDRESSES.lan, 9001],
        [shy, ADDRESSES.host, 7000],
        [web, own.shy, 80],
      );
      const [reached, kept, left] = await Promise.all([reaching, keeping, leaving]);
      t.notOk(reached.includes('nothing'), `${when}: ${reached}`);
      t.strictSame(new Set(kept), new Set(['nothing']), `${when}: who is kept out`);
      t.strictSame(
        left,
        [own.network, own.web, own.published, own.shy, own.shy, own.web],
        `${when}: with which address they leave`,
      );
    };
    await check('as they are made');
    await lab.killTsbridge('SIGKILL');
    await lab.hostNs('iptables', '-t', 'mangle', '-F');
    await lab.spawnTsbridge();
    await lab.restartDockerd();
    for (const name of ['web', 'shy']) {
      await lab.docker('start', name);
      await lab.listening(name);
    }
    await check('after a death of the daemon, a flush, and a restart of the engine');
    const shown = await lab.exec([
      ...[...NODE, '/opt/tsbridge/dist/main.js', 'ports', '--no-header'],
      ...['--columns', 'host-port,from'],
    ]);
    t.match(shown, /0\.0\.0\.0:8080 +192\.0\.2\.0\/24, 2001:db8:0:2::\/64\n/);
    t.match(shown, /192\.0\.2\.12:8081 +loopback\n/);
    await end();
    t.notMatch((await lab.saveRules(4)).join('\n'), /TSBRIDGE-/, 'the chains go with the last');
    for (const server of servers) await server.kill();
    await lab.lanNs('ip', 'route', 'del', '10.66.0.0/24');
    for (const address of [own.network, own.published]) {
      await lab.hostNs('ip', 'address', 'del', `${address}/24`, 'dev', 'eth0');
    }
  });
}
