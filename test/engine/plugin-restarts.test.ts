/** The managed plugin when its engine goes down beneath running containers (live-restore), and after a reboot. */
import t from 'tap';
import { ADDRESSES, type Lab } from '../lab/lab.js';
import {
  layManagedPlugin,
  makePluginFiles,
  PLUGIN_DRIVER,
  pluginCommand,
  pluginPid,
  withPlugin,
} from '../lab/managed-plugin.js';
import { losePower } from '../lab/power-loss.js';
import { until } from '../lab/process.js';

type Test = Pick<typeof t, 'equal' | 'match' | 'strictSame'>;

const laid = await layManagedPlugin();
t.teardown(laid.remove);

/** Two containers that are always restarted; one publishes a port for TCP and one for UDP. */
async function publish(lab: Lab): Promise<void> {
  await lab.docker('plugin', 'enable', 'tsbridge');
  await lab.docker('network', 'create', '-d', PLUGIN_DRIVER, 'app');
  const always = { network: 'app', args: ['--restart', 'always'] };
  const ports = { publish: ['8080:80', '5353:53/udp'], serve: ['tcp/80', 'udp/53'] };
  await lab.run({ name: 'web', ...always, ...ports });
  await lab.run({ name: 'client', ...always });
}

/** By DNAT, by the proxy, and between the containers. */
async function reach(t: Test, lab: Lab, when: string): Promise<void> {
  t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: 'web' }, `tcp ${when}`);
  const udp = { proto: 'udp' } as const;
  t.match(await lab.ask('lan', ADDRESSES.host, 5353, udp), { name: 'web' }, `udp ${when}`);
  t.match(await lab.ask('host', '127.0.0.1', 8080), { name: 'web' }, `127.0.0.1 ${when}`);
}

/** Also by name, for which the engine has to be there. */
async function works(t: Test, lab: Lab, when: string): Promise<void> {
  await lab.listening('web');
  await until('the port to be published', () =>
    lab.ask('lan', ADDRESSES.host, 8080).catch(() => undefined),
  );
  await reach(t, lab, when);
  t.match(await lab.askIn('client', 'web', 80), { name: 'web' }, `sibling ${when}`);
  t.match(await pluginCommand(lab)('status'), /state +serving/, `nothing is degraded ${when}`);
}

/** Calls of all kinds, with a network that was there before and with a new one. */
async function callsWork(t: Test, lab: Lab, when: string): Promise<void> {
  await lab.docker('network', 'create', '-d', PLUGIN_DRIVER, 'next');
  await lab.docker('network', 'connect', 'next', 'web');
  await lab.run({ name: 'late', network: 'app', publish: ['8081:80'], serve: ['tcp/80'] });
  t.match(await lab.ask('lan', ADDRESSES.host, 8081), { name: 'late' }, `a new port ${when}`);
  await lab.docker('network', 'disconnect', 'next', 'web');
  await lab.docker('rm', '-f', 'late');
  await lab.docker('network', 'rm', 'next');
}

async function removeAll(t: Test, lab: Lab, rules: readonly string[]): Promise<void> {
  await lab.docker('rm', '-f', 'web', 'client');
  await lab.docker('network', 'rm', 'app');
  await lab.docker('plugin', 'disable', 'tsbridge');
  await lab.docker('plugin', 'rm', 'tsbridge');
  const ours = (all: readonly string[]) => all.filter((rule) => rule.includes('br-'));
  t.strictSame(ours(await lab.saveRules(4)), ours(rules), 'no rule of a network is left');
  t.equal(await pluginPid(lab), 'none', 'no daemon is left');
}

for (const suite of ['bookworm', 'forky'] as const) {
  t.test(`${suite}: live-restore: containers and plugin outlive their engine`, (t) =>
    withPlugin(laid, { suite, liveRestore: true }, async (lab) => {
      const before = await lab.saveRules(4);
      await publish(lab);
      const daemon = await pluginPid(lab);
      const container = (await lab.inspect('web')).State.Pid;
      for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
        await lab.killDockerd(signal);
        await reach(t, lab, `while the engine is away (${signal})`);
        t.equal(await pluginPid(lab), daemon, 'the plugin runs on');
        await lab.startDockerd();
        t.equal((await lab.inspect('web')).State.Pid, container, 'the container is the same');
        await works(t, lab, `after ${signal}`);
        await callsWork(t, lab, `after ${signal}`);
      }
      await removeAll(t, lab, before);
    }),
  );

  t.test(`${suite}: after a reboot, containers are back with their networks and ports`, (t) =>
    withPlugin(laid, { suite }, async (lab) => {
      const before = await lab.saveRules(4);
      await publish(lab);
      const network = () => lab.docker('network', 'inspect', '-f', '{{.Id}}', 'app');
      const id = await network();
      await losePower(lab);
      await makePluginFiles(lab, laid);
      await lab.startDockerd();
      await works(t, lab, 'after the reboot');
      t.equal(await network(), id, 'the network is the same');
      await callsWork(t, lab, 'after the reboot');
      await removeAll(t, lab, before);
    }),
  );
}
