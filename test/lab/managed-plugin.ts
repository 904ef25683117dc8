/** Makes the managed plugin's folder as `scripts/package` does, and installs it in a lab as docs/install.md says. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { architectures } from '../../packaging/architectures.js';
import { layPlugin } from '../../packaging/plugin.js';
import { readRelease } from '../../packaging/release.js';
import { stageFiles } from '../../packaging/stage.js';
import type { EngineOptions } from './engine.js';
import { Lab, type Suite } from './lab.js';
import { NODE, run } from './process.js';

/** Name of the driver in `docker network create -d`: engines look managed plugins up by their whole reference. */
export const PLUGIN_DRIVER = 'tsbridge:latest';

/** A folder with `plugin` (for `docker plugin create`) and `stage` (the files of packages); `remove` deletes it. */
export interface LaidPlugin {
  folder: string;
  remove: () => void;
}

export async function layManagedPlugin(): Promise<LaidPlugin> {
  const folder = mkdtempSync(join(tmpdir(), 'tsbridge-plugin-'));
  const own = architectures.find(({ npm }) => npm === `linux-${process.arch}`);
  if (own === undefined) throw new Error(`no plugin for ${process.arch}`);
  const release = await readRelease();
  await stageFiles(release, own, join(folder, 'stage'), join(folder, 'cache'));
  await layPlugin(release, own, join(folder, 'stage'), join(folder, 'plugin'));
  return { folder, remove: () => rmSync(folder, { recursive: true }) };
}

/** Makes what systemd-tmpfiles makes of the plugin's tmpfiles.conf at every boot; labs have no systemd. */
export async function makePluginFiles(lab: Lab, { folder }: LaidPlugin): Promise<void> {
  const text = readFileSync(join(folder, 'plugin/tmpfiles.conf'), 'utf8');
  for (const [, kind, path = '', mode = ''] of text.matchAll(/^([df]) (\S+) (\d+)$/gm)) {
    if (kind === 'd') await lab.hostNs('install', '-d', '-m', mode, path);
    else await lab.hostNs('sh', '-c', `test -e ${path} || install -m ${mode} /dev/null ${path}`);
  }
}

/** Runs `use` in a lab whose engine has the plugin, not yet enabled, and removes the lab afterwards. */
export async function withPlugin(
  laid: LaidPlugin,
  options: EngineOptions & { suite: Suite },
  use: (lab: Lab) => Promise<void>,
): Promise<void> {
  const lab = await Lab.create({ ...options, dockerd: false });
  try {
    // Mounts are shared, as systemd makes them, so that the plugin's rslave mounts show what the engine mounts later.
    await lab.hostNs('mount', '--make-rshared', '/');
    await makePluginFiles(lab, laid);
    await lab.startDockerd();
    await run(['cp', '-a', join(laid.folder, 'plugin'), lab.path('/tmp/plugin')]);
    await lab.docker('plugin', 'create', 'tsbridge', '/tmp/plugin');
    await lab.hostNs('rm', '-r', '/tmp/plugin');
    await use(lab);
  } catch (error) {
    lab.printLogs();
    throw error;
  } finally {
    await lab.dispose();
  }
}

/** Runs tsbridge as installed on the lab's host; it finds the plugin's daemon by the sockets in /run/tsbridge. */
export const pluginCommand =
  (lab: Lab) =>
  (...args: string[]) =>
    lab.hostNs(...NODE, '/opt/tsbridge/dist/main.js', ...args);

/** Process id of the plugin's daemon in the lab's namespace; `none` if it does not run. */
export async function pluginPid(lab: Lab): Promise<string> {
  // The brackets keep the pattern from matching the command line of grep itself.
  const script = "grep -ls 'sysctl-di[r]' /proc/[0-9]*/cmdline || true";
  return /\d+/.exec(await lab.hostNs('sh', '-c', script))?.[0] ?? 'none';
}
