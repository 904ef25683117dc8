/** Upgrades while containers have networks: of the engine, and of tsbridge under load. */
import t from 'tap';
import { Model } from '../churn/model.js';
import { deviations } from '../churn/quiet.js';
import { removeSteady, SteadyClient, startSteady } from '../churn/steady.js';
import { SKIP_BUILT_IN, type Test } from '../lab/fixture.js';
import { ADDRESSES, Lab } from '../lab/lab.js';
import { until } from '../lab/process.js';
import { SUITES } from '../lab/suites.js';

const nothing = new Model({ containers: 0, networks: 0 });
const always = ['--restart', 'always'];

async function setUp(lab: Lab): Promise<void> {
  await lab.docker('network', 'create', '-d', 'tsbridge', 'app');
  await lab.docker('network', 'create', '-d', 'tsbridge', 'two');
  await lab.run({
    ...{ name: 'web', network: 'app', args: always },
    ...{ publish: ['8080:80', '5353:53/udp'], serve: ['tcp/80', 'udp/53'] },
  });
  await lab.run({ name: 'client', network: 'app', args: always });
  await lab.run({ name: 'other', network: 'two', args: always });
}

/** Ports, the ways between containers, and the wall between networks. */
async function works(t: Test, lab: Lab): Promise<void> {
  await until(
    'the containers to run',
    async () => (await lab.docker('ps', '-q')).split('\n').length === 3 || undefined,
    60_000,
  );
  await lab.listening('web');
  const web = { name: 'web' };
  t.match(await lab.ask('lan', ADDRESSES.host, 8080), web, 'tcp from outside');
  t.match(await lab.ask('lan', ADDRESSES.host, 5353, { proto: 'udp' }), web, 'udp from outside');
  t.match(await lab.ask('host', '127.0.0.1', 8080), web, '127.0.0.1');
  t.match(await lab.askIn('client', 'web', 80), web, 'a sibling, by name');
  const address = (await lab.inspect('web')).NetworkSettings.Networks.app?.IPAddress ?? '';
  t.match(await lab.ask(await lab.container('client'), address, 80), web);
  const other = await lab.container('other');
  await t.rejects(lab.ask(other, address, 80), /timeout/, 'another network is isolated');
  t.match(await lab.ask(other, ADDRESSES.host, 8080), web, 'but for what is published');
  t.strictSame(await deviations(lab, nothing), [], 'rules, links, sockets, records: as planned');
}

t.test(
  'the engine is upgraded in place from 20.10 to 26.1 to 28.5',
  { skip: SKIP_BUILT_IN },
  async (t) => {
    const lab = await Lab.create({ suite: 'bookworm', upgrades: ['trixie', 'forky'] });
    t.teardown(() => lab.dispose());
    await lab.spawnTsbridge();
    await setUp(lab);
    await works(t as Test, lab);
    for (const version of ['26.1', '28.5'] as const) {
      await t.test(version, async (t) => {
        await lab.upgrade(SUITES[version]);
        t.match(await lab.docker('version', '--format', '{{.Server.Version}}'), version);
        await works(t as Test, lab);
      });
    }
    await lab.docker('rm', '-f', 'web', 'client', 'other');
    await lab.docker('network', 'rm', 'app', 'two');
    t.strictSame(await deviations(lab, nothing), [], 'nothing is left');
    if (!t.passing()) lab.printLogs();
  },
);

t.test('tsbridge restarts without losing a packet by DNAT', { skip: SKIP_BUILT_IN }, async (t) => {
  const lab = await Lab.create();
  t.teardown(() => lab.dispose());
  await lab.spawnTsbridge();
  await startSteady(lab);
  const client = await SteadyClient.start(lab, 'lan', ADDRESSES.host, {
    connections: 16,
    datagramsPerSecond: 500,
  });
  for (const signal of ['SIGTERM', 'SIGKILL', 'SIGTERM', 'SIGKILL'] as const) {
    await lab.killTsbridge(signal);
    await lab.spawnTsbridge();
  }
  // As long as datagrams are sent, some may be under way, and the counts differ.
  await client.quiet();
  // Whatever is lost is lost for good: then the two are never the same again.
  await until('every datagram to be answered', async () => {
    const { udpSent, udpAnswered } = await client.counts();
    return udpSent === udpAnswered || undefined;
  }).catch((error) => t.fail(String(error)));
  const counts = await client.end();
  t.comment(JSON.stringify(counts));
  t.equal(counts.broken, 0, 'no connection');
  t.equal(counts.opened, 16, 'each was opened once');
  t.ok(counts.udpAnswered > 500 && counts.answered > 100, 'there was load');
  await removeSteady(lab);
});
