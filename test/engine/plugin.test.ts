/** The managed plugin in real engines: created as docs/install.md says, used, restarted with its engine, removed. */
import { join } from 'node:path';
import t from 'tap';
import { refusal } from '../lab/bare-host.js';
import { IMAGE } from '../lab/engine.js';
import { ADDRESSES, Lab } from '../lab/lab.js';
import {
  pluginCommand as command,
  PLUGIN_DRIVER as driver,
  layManagedPlugin,
  pluginPid,
  withPlugin,
} from '../lab/managed-plugin.js';
import { NODE, run, until } from '../lab/process.js';
import { seesSandbox, tour } from '../lab/tour.js';

const laid = await layManagedPlugin();
t.teardown(laid.remove);

async function fromLan(t: { match: (a: unknown, b: object, text: string) => unknown }, lab: Lab) {
  const answer = await until('the container behind its port', () =>
    lab.ask('lan', ADDRESSES.host, 8081).catch(() => undefined),
  );
  t.match(answer, { name: 'again', peer: ADDRESSES.lan }, 'the port is published again');
}

for (const suite of ['bookworm', 'forky'] as const) {
  t.test(`${suite}: the plugin serves networks and goes without a trace`, (t) =>
    withPlugin(laid, { suite }, async (lab) => {
      const before = await lab.snapshot();
      await lab.docker('plugin', 'set', 'tsbridge', 'TSBRIDGE_LOG_LEVEL=debug');
      await lab.docker('plugin', 'enable', 'tsbridge');
      const meanwhile = async () => {
        const pid = await pluginPid(lab);
        const status = await lab.hostNs('cat', `/proc/${pid}/status`);
        t.match(
          status,
          /^CapBnd:\s+0000000000003400$/m,
          'it may do what the unit may, and no more',
        );
        await seesSandbox(t, lab, (...command) => {
          const path = command.pop() ?? '';
          return lab.hostNs(...command, `/proc/${pid}/root${path}`);
        });
        t.match(await refusal(lab.docker('plugin', 'disable', 'tsbridge')), 'is in use');
        const untagged = lab.docker('network', 'create', '-d', 'tsbridge', 'x');
        t.match(await refusal(untagged), 'could not resolve driver', 'its tag is part of the name');
      };
      await tour(t, lab, { driver, command: command(lab), meanwhile });

      await lab.docker('network', 'create', '-d', driver, 'app');
      await lab.run({
        ...{ name: 'again', network: 'app', publish: ['8081:80'], serve: ['tcp/80'] },
        args: ['--restart', 'always'],
      });
      await fromLan(t, lab);
      await lab.restartDockerd();
      await fromLan(t, lab);
      await lab.killDockerd();
      await lab.startDockerd();
      await fromLan(t, lab);
      t.match(await command(lab)('status'), /state +serving/, 'nothing is degraded');
      await lab.docker('rm', '-f', 'again');
      await lab.docker('network', 'rm', 'app');
      await lab.docker('plugin', 'disable', 'tsbridge');
      await lab.docker('plugin', 'rm', 'tsbridge');
      await lab.hostNs('rm', '-r', '/run/tsbridge');
      t.strictSame(await lab.leftovers(before), [], 'nothing is left');
    }),
  );
}

// With ports in a map on the newest engine, and with rules of their own on the oldest.
for (const [suite, portRules] of [
  ['bookworm', 'docker'],
  ['forky', 'map'],
] as const) {
  t.test(`${suite}: a swarm service has a network of tsbridge by the link plugin`, async (t) => {
    const lab = await Lab.create({ suite });
    t.teardown(() => lab.dispose());
    try {
      await lab.spawnTsbridge();
      const link = join(laid.folder, 'stage/usr/lib/tsbridge/swarm-plugin');
      await run(['cp', '-a', link, lab.path('/tmp/swarm-plugin')]);
      await lab.docker('plugin', 'create', 'tsbridge-swarm', '/tmp/swarm-plugin');
      await lab.docker('plugin', 'enable', 'tsbridge-swarm');
      await lab.docker('swarm', 'init', '--advertise-addr', ADDRESSES.host);
      const kind = `tsbridge.port_rules=${portRules}`;
      const config = ['--config-only', '--subnet', '10.7.0.0/24', '-o', kind, 'shop-here'];
      await lab.docker('network', 'create', ...config);
      const swarm = ['--scope', 'swarm', '--config-from', 'shop-here', 'shop'];
      await lab.docker('network', 'create', '-d', 'tsbridge-swarm:latest', ...swarm);
      const id = await lab.docker('network', 'inspect', '-f', '{{.Id}}', 'shop');
      t.match(id, /^[0-9a-z]{25}$/, 'an id of swarm');
      const service = [
        ...['--name', 'app', '--network', 'shop', '--endpoint-mode', 'dnsrr'],
        ...['--publish', 'mode=host,published=8080,target=80'],
      ];
      await lab.docker(
        'service',
        'create',
        '--detach',
        '--no-resolve-image',
        ...service,
        IMAGE,
        ...['nc', '-ll', '-p', '80', '-e', 'hostname'],
      );
      const address = () =>
        until(
          'the address of the service',
          async () => {
            const tasks = await lab.docker('ps', '-q', '--filter', 'name=app.1');
            if (tasks === '') return undefined;
            const [task = ''] = tasks.split('\n');
            const { NetworkSettings } = await lab.inspect(task);
            return NetworkSettings.Networks.shop?.IPAddress || undefined;
          },
          60_000,
        );
      const published = async (when: string) => {
        const inside = await address();
        t.match(inside, /^10\.7\.0\./, when);
        const [task = ''] = (await lab.docker('ps', '-q', '--filter', 'name=app.1')).split('\n');
        // Each container answers with its id, which is its host name.
        const ask = [...NODE, '/opt/tsbridge/test/churn/ask-all.mjs', ADDRESSES.host];
        await until(`the service behind its port ${when}`, () =>
          lab.exec([...ask, `8080=${task}`], 'lan').then(
            () => true,
            () => undefined,
          ),
        );
        const rules = (await lab.saveRules()).filter((line) => line.includes(`${inside}:80`));
        const elements = await lab.hostNs('nft', 'list', 'ruleset');
        const element = `0.0.0.0 . tcp . 8080 : ${inside} . 80`;
        t.equal(rules.length, portRules === 'map' ? 0 : 1, `rules of the port ${when}`);
        t.equal(elements.includes(element), portRules === 'map', `in the map ${when}`);
      };
      await published('at first');
      const links = await lab.hostNs(
        'ip',
        '-brief',
        'address',
        'show',
        'dev',
        `br-${id.slice(0, 12)}`,
      );
      t.match(links, '10.7.0.1/24', 'the bridge of the network');
      await lab.restartDockerd();
      await published('after a restart of the engine');
      const [task = ''] = (await lab.docker('ps', '-q', '--filter', 'name=app.1')).split('\n');
      await lab.docker('exec', task, 'ping', '-c', '1', '-W', '5', ADDRESSES.lan);
      t.match(await command(lab)('status'), /state +serving/, 'nothing is degraded');
      await lab.docker('service', 'rm', 'app');
      await lab.docker('swarm', 'leave', '--force');
    } finally {
      if (!t.passing()) lab.printLogs();
    }
  });
}
