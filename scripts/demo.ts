/**
 * The tour of `scripts/demo`: each step shows what it does, checks it, and ends the tour if it
 * did not happen.
 *
 * Usage: demo.ts SUITE DRIVER
 */
import assert from 'node:assert/strict';
import { ADDRESSES, Lab, type Suite } from '../test/lab/lab.js';
import type { Snapshot } from '../test/lab/snapshot.js';

const [suite = 'bookworm', driver = 'tsbridge'] = process.argv.slice(2);
const colour = process.stdout.isTTY && process.env.NO_COLOR === undefined;
const paint = (code: number, text: string): string =>
  colour ? `\u001b[${code}m${text}\u001b[0m` : text;

let steps = 0;

/** One step of the tour: a headline, and a tick with its time when it is through. */
async function step(title: string, work: () => Promise<void>): Promise<void> {
  steps += 1;
  console.log(`\n${paint(1, `${steps}. ${title}`)}`);
  const start = performance.now();
  await work();
  console.log(paint(32, `   ✔ ${(performance.now() - start).toFixed(0)} ms`));
}

function show(text: string): void {
  for (const line of text.split('\n')) console.log(`   ${line}`);
}

/** Runs and shows a docker command; gives its output. */
async function docker(lab: Lab, ...args: string[]): Promise<string> {
  show(paint(36, `$ docker ${args.join(' ')}`));
  return await lab.docker(...args);
}

async function tour(lab: Lab): Promise<void> {
  const untouched = await lab.snapshot();
  let before: Snapshot | undefined;
  let rulesBefore: string[] = [];
  const address = async (container: string): Promise<string> => {
    const found = (await lab.inspect(container)).NetworkSettings.Networks.app?.IPAddress;
    assert.ok(found, `${container} has an address on the network`);
    return found;
  };

  await step(
    `The host: Docker ${await lab.docker('version', '-f', '{{.Server.Version}}')}`,
    async () => {
      show(
        `host ${ADDRESSES.host}  ──  second host ${ADDRESSES.lan}, and behind it ${ADDRESSES.world}`,
      );
      show((await lab.hostNs('iptables', '--version')).trim());
      if (driver === 'tsbridge') {
        const daemon = await lab.spawnTsbridge();
        show(`tsbridge daemon runs, socket /run/docker/plugins/tsbridge.sock`);
        assert.deepEqual(await daemon.call('Plugin.Activate'), { Implements: ['NetworkDriver'] });
      }
      before = await lab.snapshot();
      rulesBefore = [...(await lab.saveRules(4))];
    },
  );

  await step('A network', async () => {
    const id = await docker(lab, 'network', 'create', '-d', driver, 'app');
    assert.equal(await lab.docker('network', 'inspect', '-f', '{{.Driver}}', 'app'), driver);
    const bridge = `br-${id.slice(0, 12)}`;
    show((await lab.hostNs('ip', '-br', '-4', 'addr', 'show', bridge)).trim());
  });

  await step('Two containers, one with a published port', async () => {
    show(paint(36, '$ docker run -d --network app --name web -p 8080:80 busybox …'));
    await lab.run({ name: 'web', network: 'app', publish: ['8080:80'], serve: ['tcp/80'] });
    show(paint(36, '$ docker run -d --network app --name client busybox'));
    await lab.run({ name: 'client', network: 'app' });
    show(`web is ${await address('web')}, client is ${await address('client')}`);
    show(await lab.docker('ps', '--format', '{{.Names}}\t{{.Status}}'));
  });

  await step('The containers reach each other, by name and by address', async () => {
    for (const target of ['web', await address('web')]) {
      const answer = await lab.askIn('client', target, 80);
      show(`client → ${target}:80: answered by ${answer.name}, which saw ${answer.peer}`);
      assert.equal(answer.name, 'web');
      assert.equal(answer.peer, await address('client'));
    }
  });

  await step('The published port, fetched from the second host', async () => {
    const answer = await lab.ask('lan', ADDRESSES.host, 8080);
    show(
      `second host → ${ADDRESSES.host}:8080: answered by ${answer.name}, which saw ${answer.peer}`,
    );
    assert.equal(answer.name, 'web');
    assert.equal(answer.peer, ADDRESSES.lan, 'the source address is preserved');
  });

  await step(
    'The published port on the host itself: 127.0.0.1, through the userland proxy',
    async () => {
      const answer = await lab.ask('host', '127.0.0.1', 8080);
      show(`host → 127.0.0.1:8080: answered by ${answer.name}, which saw ${answer.peer}`);
      assert.equal(answer.name, 'web');
      const other = await lab.askIn('client', ADDRESSES.host, 8080);
      show(`client → ${ADDRESSES.host}:8080: answered by ${other.name}`);
      assert.equal(other.name, 'web');
    },
  );

  await step('A container reaches the world', async () => {
    const world = await lab.serve('lan', 'tcp/9000', `udp/9000@${ADDRESSES.world}`);
    for (const proto of ['tcp', 'udp'] as const) {
      const answer = await lab.askIn('client', ADDRESSES.world, 9000, { proto });
      show(`client → ${ADDRESSES.world}:9000/${proto}: the world saw ${answer.peer} (masqueraded)`);
      assert.equal(answer.peer, ADDRESSES.host);
    }
    await world.kill();
  });

  await step('The firewall rules that came with it', async () => {
    const added = newRules(rulesBefore, await lab.saveRules(4));
    show(added.join('\n'));
    const pattern = /^nat: -A DOCKER .*--dport 8080 -j DNAT --to-destination [\d.]+:80$/;
    assert.ok(
      added.some((rule) => pattern.test(rule)),
      'the published port has its DNAT rule',
    );
    assert.ok(added.some((rule) => rule.endsWith('-j MASQUERADE')));
  });

  if (driver === 'tsbridge') {
    await step('The daemon is killed and comes back; nothing is lost', async () => {
      const rules = await lab.saveRules(4);
      await lab.killTsbridge('SIGKILL');
      show('kill -9; the containers are still connected:');
      const answer = await lab.ask('lan', ADDRESSES.host, 8080);
      show(`second host → ${ADDRESSES.host}:8080: answered by ${answer.name}`);
      await lab.spawnTsbridge();
      assert.equal((await lab.ask('host', '127.0.0.1', 8080)).name, 'web');
      show('tsbridge daemon runs again; 127.0.0.1:8080 answers');
      assert.deepEqual(await lab.saveRules(4), rules, 'the rules are what they were');
    });
  }

  await step('The clean-up', async () => {
    await docker(lab, 'rm', '-f', 'web', 'client');
    await docker(lab, 'network', 'rm', 'app');
  });

  await step('Nothing is left', async () => {
    assert.ok(before);
    const left = await lab.leftovers(before);
    show(left.join('\n') || 'links, routes, rules, sockets, processes, records: as before');
    assert.deepEqual(left, []);
    await assert.rejects(lab.ask('lan', ADDRESSES.host, 8080), 'the port is closed');
  });

  if (driver === 'tsbridge') {
    await step('Nor anything of the driver itself, once it is stopped', async () => {
      assert.equal(await lab.killTsbridge('SIGTERM'), 0);
      show('the daemon stopped; its proxy process waits 10 s for the next one, then ends, too');
      const left = await lab.leftovers(untouched, 60_000);
      show(left.join('\n') || 'links, routes, rules, sockets, processes, records: as before');
      assert.deepEqual(left, []);
    });
  }
}

/** The rules that are not in `before`, each with its table. */
function newRules(before: readonly string[], after: readonly string[]): string[] {
  const withTable = (lines: readonly string[]): string[] => {
    let table = '';
    return lines.flatMap((line) => {
      if (line.startsWith('*')) table = line.slice(1);
      return line.startsWith('-A') ? [`${table}: ${line}`] : [];
    });
  };
  const known = new Set(withTable(before));
  return withTable(after).filter((rule) => !known.has(rule));
}

const lab = await Lab.create({ suite: suite as Suite });
try {
  await tour(lab);
  console.log(paint(32, `\nAll ${steps} steps did what they said; the throwaway host is removed.`));
} catch (error) {
  console.log(
    paint(31, `\nStep ${steps} failed: ${error instanceof Error ? error.message : error}`),
  );
  lab.printLogs();
  process.exitCode = 1;
} finally {
  await lab.dispose();
}
