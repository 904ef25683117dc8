/**
 * What any plugin costs a container: `network connect` and starts with 0 and 1 ports, with the built-in driver, with the
 * plugin of floor-plugin.c, which only makes the links, and with tsbridge; the drivers take turns, in one run, on one
 * engine. The plugin in C publishes no port, so its start with one port does the work of a start without. Needs root and a C compiler.
 *
 *   node --import=tsx bench/floor.ts [--suite bookworm|trixie|forky] [--rounds N] [--ports 0,1]
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Lab } from '../test/lab/lab.js';
import { LabProcess, until } from '../test/lab/process.js';
import {
  type AnyDriver,
  createContainer,
  onNetwork,
  removeContainer,
  startContainer,
} from './engine-calls.js';
import { median, timed } from './measure.js';

const { values } = parseArgs({
  options: {
    suite: { type: 'string', default: 'bookworm' },
    rounds: { type: 'string', default: '15' },
    ports: { type: 'string', default: '0,1' },
  },
});
const suite = (['bookworm', 'trixie', 'forky'] as const).find((name) => name === values.suite);
if (suite === undefined) throw new Error(`--suite: ${values.suite} is none`);
const drivers: readonly AnyDriver[] = ['bridge', 'floor', 'tsbridge'];
const socket = '/run/docker/plugins/floor.sock';
/** Milliseconds between turns: the kernel needs some 30 until a deleted link is gone. */
const restMs = 300;

const folder = mkdtempSync(join(tmpdir(), 'tsbridge-floor-'));
const program = join(folder, 'floor-plugin');
const source = fileURLToPath(new URL('./floor-plugin.c', import.meta.url));
execFileSync('cc', ['-O2', '-static', '-o', program, source], { stdio: 'inherit' });
const lab = await Lab.create({ suite });
try {
  execFileSync('cp', [program, lab.path('/run/floor-plugin')]);
  const command = lab.namespaces.enter('host', ['/run/floor-plugin', socket]);
  const plugin = new LabProcess(command, join(lab.namespaces.directory, 'floor.log'));
  await until('the plugin in C', async () => existsSync(lab.path(socket)) || undefined);
  await lab.spawnTsbridge();
  const engine = (await lab.docker('version', '--format', '{{.Server.Version}}')).trim();
  console.log(`Docker ${engine}; medians of ${values.rounds} rounds, ms`);
  await inTurn('network connect', connect);
  for (const ports of values.ports.split(',').map(Number)) {
    await inTurn(`start, ${ports} ports`, (driver) => start(driver, ports));
  }
  await plugin.kill('SIGTERM');
  const said = plugin.lines.filter((line) => line !== '');
  if (said.length > 0) throw new Error(`the plugin in C: ${said.slice(0, 5).join('; ')}`);
} finally {
  await lab.dispose();
  rmSync(folder, { recursive: true });
}

async function inTurn(row: string, run: (driver: AnyDriver) => Promise<number>): Promise<void> {
  const times = new Map<AnyDriver, number[]>(drivers.map((driver) => [driver, []]));
  for (let round = 0; round <= Number(values.rounds); round += 1) {
    const shift = round % drivers.length;
    for (const driver of [...drivers.slice(shift), ...drivers.slice(0, shift)]) {
      await sleep(restMs);
      const time = await run(driver);
      // The first call of each kind loads modules and fills caches.
      if (round > 0) times.get(driver)?.push(time);
    }
  }
  const cells = drivers.map((driver) => `${driver} ${median(times.get(driver) ?? []).toFixed(1)}`);
  console.log(`${row}: ${cells.join(', ')}`);
}

function connect(driver: AnyDriver): Promise<number> {
  return onNetwork(lab, driver, async (network) => {
    const Container = await createContainer(lab, network, 0);
    await startContainer(lab, Container);
    try {
      return await onNetwork(lab, driver, async (second) => {
        const took = await timed(() =>
          lab.api('POST', `/networks/${second}/connect`, { Container }),
        );
        await lab.api('POST', `/networks/${second}/disconnect`, { Container });
        return took;
      });
    } finally {
      await removeContainer(lab, Container);
    }
  });
}

function start(driver: AnyDriver, ports: number): Promise<number> {
  return onNetwork(lab, driver, async (network) => {
    const name = await createContainer(lab, network, ports);
    const took = await timed(() => startContainer(lab, name));
    await removeContainer(lab, name);
    return took;
  });
}
