/** Limits of traffic, as an engine's user gives them, loses them and gets them back. */
import { join } from 'node:path';
import type { EndpointItem } from '../../src/cli/schemas/inventory.js';
import { labTest, SKIP_BUILT_IN } from '../lab/fixture.js';
import { ADDRESSES, type Lab } from '../lab/lab.js';
import { LabProcess, NODE, until } from '../lab/process.js';
import { itemsOf } from '../process/documents.js';

const counter = '/opt/tsbridge/test/lab/udp-count.mjs';

/** What limits the host's ends and ifbs, a line each, sorted. */
async function limitsOf(lab: Lab): Promise<string[]> {
  const shown = await lab.hostNs('tc', 'qdisc', 'show');
  return shown
    .split('\n')
    .flatMap((line) => {
      const [, name, rate] = /^qdisc tbf 7453: dev (\S+) root .*rate (\S+) /.exec(line) ?? [];
      return name === undefined ? [] : [`${name.replace(/[0-9a-f]{7}$/, '')} ${rate}`];
    })
    .sort();
}

async function endpoints(lab: Lab): Promise<readonly EndpointItem[]> {
  const main = '/opt/tsbridge/dist/main.js';
  return itemsOf<EndpointItem>(await lab.exec([...NODE, main, 'ps', '--json']));
}

labTest('limits of a network and of a container', { skip: SKIP_BUILT_IN }, async (t, lab) => {
  const create = (...args: string[]): Promise<string> =>
    lab.docker('network', 'create', '-d', 'tsbridge', ...args);
  await t.rejects(
    create('-o', 'tsbridge.rate_down=10', '-o', 'tsbridge.burst_up=64k', 'app'),
    {
      message:
        /2 problems: \(1\) failed to parse tsbridge.rate_down value: 10 \(not a rate: .*\(2\) tsbridge.burst_up=64k needs a rate/,
    },
    'everything that is wrong is said',
  );
  const rates = ['-o', 'tsbridge.rate_down=10mbit', '-o', 'tsbridge.rate_up=20mbit'];
  await create(...rates, 'app');
  await create('free');
  await lab.run({ name: 'web', network: 'app', publish: ['9000:80'], serve: ['tcp/80'] });
  const web = ['tsi 20Mbit', 'veth 10Mbit'];
  t.strictSame(await limitsOf(lab), web, 'those of its network');
  t.match(await lab.ask('lan', ADDRESSES.host, 9000), { name: 'web' }, 'and answers');

  await lab.run({ name: 'other', network: 'free' });
  t.strictSame(await limitsOf(lab), web, 'others have none');
  const own = ['--driver-opt', 'tsbridge.rate_up=2mbit'];
  await lab.docker('network', 'connect', ...own, 'app', 'other');
  const both = ['tsi 20Mbit', 'tsi 2Mbit', 'veth 10Mbit', 'veth 10Mbit'];
  t.strictSame(await limitsOf(lab), both, 'of the endpoint, and of its network');
  const shown = await until('the name of every container', async () => {
    const items = await endpoints(lab);
    if (items.some(({ container }) => container === null)) return undefined;
    return items.map(({ container, network, limits: { down, up } }) => {
      return `${container?.name} ${network.name} ${down?.rate ?? '-'} ${up?.rate ?? '-'}`;
    });
  });
  t.strictSame(shown.sort(), [
    'other app 10000000 2000000',
    'other free - -',
    'web app 10000000 20000000',
  ]);

  const links = await lab.hostNs('ip', '-brief', 'link', 'show', 'type', 'ifb');
  for (const [, ifb = ''] of links.matchAll(/^(tsi\S+)/gm)) {
    await lab.hostNs('ip', 'link', 'delete', ifb);
  }
  await until('the limits to come back', async () => {
    return (await limitsOf(lab)).length === both.length || undefined;
  });
  t.strictSame(await limitsOf(lab), both);
  const limited = (await endpoints(lab)).filter(({ limits }) => limits.down !== null);
  await lab.killTsbridge('SIGKILL');
  await lab.hostNs('tc', 'qdisc', 'del', 'dev', String(limited[0]?.veth), 'root');
  await lab.spawnTsbridge();
  await until('the daemon to repair', async () => {
    return (await limitsOf(lab)).length === both.length || undefined;
  });
  t.strictSame(await limitsOf(lab), both, 'a daemon that starts puts them right');
  await lab.docker('restart', 'web');
  t.strictSame(await limitsOf(lab), both, 'a container that starts again has them');
  await lab.restartDockerd();
  t.strictSame(await limitsOf(lab), [], 'its containers have stopped');
  await lab.docker('start', 'other');
  t.strictSame(await limitsOf(lab), ['tsi 2Mbit', 'veth 10Mbit'], 'the engine knows its options');
  await lab.docker('rm', '-f', 'web', 'other');
  await lab.docker('network', 'rm', 'app', 'free');
});

labTest('no packet is lost while a limit changes', { skip: SKIP_BUILT_IN }, async (t, lab) => {
  const rates = ['-o', 'tsbridge.rate_down=20mbit', '-o', 'tsbridge.rate_up=20mbit'];
  await lab.docker('network', 'create', '-d', 'tsbridge', ...rates, 'app');
  const receive = ['/usr/bin/node', counter, 'receive', '81'];
  await lab.run({
    name: 'web',
    network: 'app',
    publish: ['9001:81/udp'],
    command: receive,
  });
  await until('the container’s name', async () => {
    return (await endpoints(lab)).some(({ container }) => container?.name === 'web') || undefined;
  });
  const log = join(lab.namespaces.directory, 'receiver.log');
  const outside = new LabProcess(lab.namespaces.enter('lan', [...NODE, ...receive.slice(1)]), log);
  await until('the receiver', () => outside.lines.includes('ready') || undefined);
  let changing = true;
  let count = 0;
  const changes = async (): Promise<void> => {
    for (; changing; count += 1) {
      const rate = count % 2 === 0 ? '2mbit' : '20mbit';
      const command = [...NODE, '/opt/tsbridge/dist/main.js', 'set', 'web'];
      await lab.exec([...command, `rate_down=${rate}`, `rate_up=${rate}`]);
    }
  };
  const sent = 24 * 36;
  const streams = async (): Promise<void> => {
    // On a slow machine one change may take as long as a whole stream, so streams go on until there were four.
    for (let first = 0; count < 4; first += sent) {
      const stream = (...to: string[]) => [counter, 'send', ...to, '24', String(first)];
      const [down, up] = await Promise.all([
        lab.exec([...NODE, ...stream(ADDRESSES.host, '9001')], 'lan'),
        lab.docker('exec', 'web', '/usr/bin/node', ...stream(ADDRESSES.lan, '81')),
      ]);
      const all = { sent, received: first + sent };
      t.strictSame(JSON.parse(down), all, 'what it receives');
      t.strictSame(JSON.parse(up), all, 'what it sends');
    }
  };
  await Promise.all([
    changes(),
    streams().finally(() => {
      changing = false;
    }),
  ]);
  t.comment(`${count} changes`);
  await outside.kill();
  await lab.docker('rm', '-f', 'web');
  await lab.docker('network', 'rm', 'app');
});
