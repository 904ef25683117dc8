/**
 * What happens when the driver, the engine or the whole host goes down.
 */
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { DRIVER, labTest, SKIP_BUILT_IN, type Test } from '../lab/fixture.js';
import { ADDRESSES, type Lab } from '../lab/lab.js';
import { losePower } from '../lab/power-loss.js';
import { NODE, until } from '../lab/process.js';

const ours = { skip: SKIP_BUILT_IN } as const;

async function publish(lab: Lab): Promise<void> {
  await lab.docker('network', 'create', '-d', DRIVER, 'app');
  const ports = { publish: ['8080:80', '5353:53/udp'], serve: ['tcp/80', 'udp/53'] };
  await lab.run({ name: 'web', network: 'app', ...ports });
  await lab.run({ name: 'client', network: 'app' });
}

/** Every way to the published ports, and out of the container. */
async function reach(t: Test, lab: Lab, when: string): Promise<void> {
  t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: 'web' }, `tcp ${when}`);
  const udp = { proto: 'udp' } as const;
  t.match(await lab.ask('lan', ADDRESSES.host, 5353, udp), { name: 'web' }, `udp ${when}`);
  t.match(await lab.ask('host', '127.0.0.1', 8080), { name: 'web' }, `127.0.0.1 ${when}`);
  t.match(await lab.askIn('client', 'web', 80), { name: 'web' }, `sibling ${when}`);
}

/** The command line, on the host of the lab. */
function tsbridge(lab: Lab, ...args: string[]): Promise<string> {
  return lab.exec([...NODE, '/opt/tsbridge/dist/main.js', ...args]);
}

async function remove(lab: Lab): Promise<void> {
  await lab.docker('rm', '-f', 'web', 'client');
  await lab.docker('network', 'rm', 'app');
}

labTest('the driver is killed and started again', ours, async (t, lab) => {
  await publish(lab);
  const rules = await lab.saveRules(4);
  await lab.killTsbridge('SIGKILL');
  await reach(t, lab, 'while the driver is down');
  await lab.spawnTsbridge();
  await reach(t, lab, 'after its return');
  t.strictSame(await lab.saveRules(4), rules, 'the rules were not touched');
  await lab.docker('restart', 'web');
  await lab.listening('web');
  await reach(t, lab, 'after a restart of the container');
  await lab.docker('network', 'disconnect', 'app', 'client');
  await remove(lab);
});

labTest('the driver is stopped by SIGTERM', ours, async (t, lab, daemon) => {
  await publish(lab);
  t.equal(await daemon?.kill('SIGTERM'), 0, 'a clean exit');
  await reach(t, lab, 'while the driver is stopped');
  await lab.spawnTsbridge();
  await reach(t, lab, 'after its return');
  await remove(lab);
});

labTest('the host loses its power', ours, async (t, lab) => {
  await publish(lab);
  await losePower(lab);
  const back = await lab.spawnTsbridge();
  await back.call('NetworkDriver.DeleteNetwork', { NetworkID: 'f'.repeat(64) });
  const bridges = await lab.hostNs('ip', '-br', '-4', 'addr', 'show', 'type', 'bridge');
  t.match(
    bridges,
    /^br-[0-9a-f]{12} .*172\.18\.0\.1\/16/m,
    'the network is back before the first call is answered',
  );
  await lab.startDockerd();
  await lab.docker('start', 'web', 'client');
  await lab.listening('web');
  await reach(t, lab, 'after the reboot');
  await remove(lab);
});

labTest('the engine restarts and flushes its chains', {}, async (t, lab) => {
  await publish(lab);
  await lab.restartDockerd();
  await lab.docker('start', 'web', 'client');
  await lab.listening('web');
  await reach(t, lab, 'after the restart');
  await remove(lab);
});

labTest('the engine is killed; live-restore', { liveRestore: true }, async (t, lab) => {
  await publish(lab);
  const rules = await lab.saveRules(4);
  await lab.killDockerd('SIGKILL');
  await lab.startDockerd();
  if (DRIVER === 'tsbridge') {
    await until('the rules to be repaired', async () => {
      const now = (await lab.saveRules(4)).filter((rule) => rule.includes('br-')).sort();
      const wanted = rules.filter((rule) => rule.includes('br-')).sort();
      return now.join('\n') === wanted.join('\n') || undefined;
    });
  }
  await reach(t, lab, 'after the restart');
  await remove(lab);
});

labTest('the engine is killed, and its containers with it', {}, async (t, lab) => {
  await publish(lab);
  await lab.killDockerd('SIGKILL');
  // The engine never tells a plugin that these endpoints are dead.
  await lab.startDockerd();
  await lab.docker('start', 'web', 'client');
  await lab.listening('web');
  await reach(t, lab, 'after the restart');
  await remove(lab);
});

labTest(
  'what a killed engine leaves goes with its containers, not before',
  ours,
  async (t, lab) => {
    await publish(lab);
    const records = () => readdirSync(lab.path('/var/lib/tsbridge/endpoints')).length;
    await lab.killDockerd('SIGKILL');
    // Longer than the daemon waits with what it takes for dead.
    await sleep(8_000);
    t.equal(records(), 2, 'the containers run on');
    t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: 'web' }, 'and are reached');
    await lab.startDockerd();
    await until('the endpoints to be collected', () => records() === 0 || undefined, 60_000);
    // On another network, with another address: nothing but the collection has freed the port.
    await lab.docker('network', 'create', '-d', DRIVER, 'next');
    const port = { publish: ['8080:80'], serve: ['tcp/80'] };
    await lab.run({ name: 'heir', network: 'next', ...port });
    t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: 'heir' });
    await lab.docker('rm', '-f', 'heir');
    await lab.docker('network', 'rm', 'next');
    await remove(lab);
  },
);

// Up to 27 the sandbox appears when containerd has made the container; the built-in driver waits.
labTest('a container that takes over a minute to start', ours, async (t, lab) => {
  await publish(lab);
  const search =
    'for p in /proc/[0-9]*; do [ "$(cat "$p/comm")" != containerd ] || basename "$p"; done';
  const pids = (await lab.exec(['sh', '-c', search])).split('\n').filter(Boolean);
  t.ok(pids.length > 0);
  const signal = (name: string) => lab.exec(['sh', '-c', `kill -${name} ${pids.join(' ')}`]);
  await signal('STOP');
  const slow = lab.run({ name: 'slow', network: 'app', serve: ['tcp/80'] });
  slow.catch(() => undefined);
  await sleep(70_000);
  await signal('CONT');
  await slow;
  t.match(await lab.askIn('client', 'slow', 80), { name: 'slow' });
  await lab.docker('rm', '-f', 'slow');
  await remove(lab);
});

labTest('somebody flushes the firewall', ours, async (t, lab) => {
  await publish(lab);
  const rules = await lab.saveRules(4);
  for (const table of ['filter', 'nat']) await lab.hostNs('iptables', '-t', table, '-F');
  await until('the rules to be repaired', async () => {
    const now = (await lab.saveRules(4)).filter((rule) => rule.includes('br-')).sort();
    return (
      now.join('\n') ===
        rules
          .filter((r) => r.includes('br-'))
          .sort()
          .join('\n') || undefined
    );
  });
  t.pass('the rules are back');
  // The chains' own rules, DOCKER-USER and docker0's are the engine's; it restores them.
  await lab.restartDockerd();
  await lab.docker('start', 'web', 'client');
  await lab.listening('web');
  await reach(t, lab, 'afterwards');
  await remove(lab);
});

labTest('the engine forgets a network while the driver is away', ours, async (t, lab) => {
  const subnetOf = async (name: string): Promise<string> =>
    lab.docker('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Subnet}}', name);
  await lab.docker('network', 'create', '-d', DRIVER, 'app');
  const subnet = await subnetOf('app');
  await lab.killTsbridge('SIGKILL');
  // It asks for 15 s, and then goes on without the driver.
  await lab.docker('network', 'rm', 'app');
  await lab.spawnTsbridge();
  const records = () => readdirSync(lab.path('/var/lib/tsbridge/networks'));
  t.equal(records().length, 1, 'nobody told the driver');
  await lab.docker('network', 'create', '-d', DRIVER, 'other');
  t.not(await subnetOf('other'), subnet, 'the host has a route to the old one');
  t.equal(records().length, 2, 'it may still be in use, for all that is known');
  const again = ['network', 'create', '-d', DRIVER, '--subnet', subnet, 'again'];
  const refusal = await lab.docker(...again).catch(String);
  t.match(refusal, /networks have overlapping IPv4.*tsbridge forget/s);
  t.equal(records().length, 2, 'an equal subnet is no proof that it was forgotten');
  const known = await lab.docker('network', 'inspect', '-f', '{{.Id}}', 'other');
  const id =
    records()
      .find((name) => !name.startsWith(known))
      ?.slice(0, 12) ?? '';
  t.match(await tsbridge(lab, 'reconcile'), new RegExp(`: tsbridge forget ${id}\\n`));
  t.match(await tsbridge(lab, 'forget', id, '--yes'), /^Removed:/);
  t.equal(records().length, 1, 'an operator has said so');
  await lab.docker(...again);
  await lab.docker('network', 'rm', 'again', 'other');
});

labTest('a network with the same subnet and another range', ours, async (t, lab) => {
  const create = (name: string, range: string) =>
    lab.docker(
      ...['network', 'create', '-d', DRIVER, '--subnet', '10.5.0.0/24'],
      ...['--ip-range', range, name],
    );
  await create('app', '10.5.0.0/25');
  await lab.killTsbridge('SIGKILL');
  await lab.spawnTsbridge();
  const records = () => readdirSync(lab.path('/var/lib/tsbridge/networks'));
  const before = records();
  const refusal = await create('other', '10.5.0.128/25').catch(String);
  t.match(refusal, /overlap/i, 'refused by us or by the engine');
  t.strictSame(records(), before, 'the first one is left alone');
  await lab.run({ name: 'web', network: 'app', serve: ['tcp/80'] });
  await lab.run({ name: 'client', network: 'app' });
  t.match(await lab.askIn('client', 'web', 80), { name: 'web' });
  await remove(lab);
});
