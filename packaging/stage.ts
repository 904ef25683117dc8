/**
 * What is installed, laid out in a folder as it will lie on the host, for one architecture: the bundle, the
 * runtime and the two libraries with binaries in /usr/lib/tsbridge, the units, and what makes other
 * programs of the host leave our links alone. Every format packs this folder.
 */
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Architecture } from './architectures.js';
import { completions } from './completions.js';
import { licenceTexts, runtimeDependencies } from './licences.js';
import { manualPages } from './manual.js';
import { normalise } from './modes.js';
import { fetchPackage } from './npm-package.js';
import type { Release } from './release.js';
import { componentList, sbom } from './sbom.js';
import { laySwarmProgram, swarmPluginConfig } from './swarm-plugin.js';

/** Where the daemon's files lie on the host. */
export const library = 'usr/lib/tsbridge';

export const unitNames = ['tsbridge.service', 'tsbridge.socket', 'tsbridge-proxy@.service'];

/** Files of `packaging/files/` and where they go. */
const hostFiles: Readonly<Record<string, string>> = {
  'modules-load.conf': 'usr/lib/modules-load.d/tsbridge.conf',
  'networkmanager.conf': 'usr/lib/NetworkManager/conf.d/90-tsbridge.conf',
  'networkd-bridges.network': 'usr/lib/systemd/network/05-tsbridge-bridges.network',
  'networkd-veths.network': 'usr/lib/systemd/network/05-tsbridge-veths.network',
  default: 'etc/default/tsbridge',
};

/** Lays everything out below `stage`, which is emptied first. `dist/` has to be built. */
export async function stageFiles(
  release: Release,
  architecture: Architecture,
  stage: string,
  cache: string,
): Promise<void> {
  const { root } = release;
  rmSync(stage, { recursive: true, force: true });
  const put = (path: string, text: string | Buffer, mode = 0o644): void => {
    const target = join(stage, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
    chmodSync(target, mode);
  };
  const fetched = (name: string) => fetchPackage(root, name, cache);

  cpSync(join(root, 'dist'), join(stage, library, 'dist'), {
    recursive: true,
    // 1.5 times the size of what they describe; the release keeps them beside the packages.
    filter: (path) => !path.endsWith('.map'),
  });
  put(`${library}/package.json`, installedManifest(release));
  const runtime = await fetched(`node-${architecture.npm}`);
  put(`${library}/bin/node`, '');
  cpSync(join(runtime, 'bin/node'), join(stage, library, 'bin/node'));
  await stageLibraries(root, architecture, join(stage, library, 'node_modules'), fetched);

  put(`${library}/bin/tsbridge`, launcher(root, architecture), 0o755);
  mkdirSync(join(stage, 'usr/bin'), { recursive: true });
  symlinkSync('../lib/tsbridge/bin/tsbridge', join(stage, 'usr/bin/tsbridge'));
  for (const name of unitNames) {
    const text = readFileSync(join(root, 'systemd', name), 'utf8');
    put(`usr/lib/systemd/system/${name}`, packagedUnit(text, root));
  }
  for (const [name, path] of Object.entries(hostFiles)) {
    put(path, readFileSync(join(root, 'packaging/files', name), 'utf8'));
  }
  for (const [path, text] of Object.entries(await manualPages(release))) put(path, text);
  for (const [path, text] of Object.entries(completions())) put(path, text);

  const swarm = `${library}/swarm-plugin`;
  put(`${swarm}/config.json`, swarmPluginConfig());
  const busybox = join(stage, swarm, 'rootfs/busybox');
  const program = await laySwarmProgram(architecture, busybox);

  const dependencies = await runtimeDependencies(root);
  const node = JSON.parse(readFileSync(join(runtime, 'package.json'), 'utf8')) as {
    version: string;
  };
  for (const name of readdirSync(join(root, 'monitoring'))) {
    put(`usr/share/tsbridge/monitoring/${name}`, readFileSync(join(root, 'monitoring', name)));
  }
  const documents = 'usr/share/doc/tsbridge';
  put(
    `${documents}/copyright`,
    licenceTexts(root, dependencies, join(runtime, 'LICENSE'), program),
  );
  put(componentList, sbom(release, architecture, dependencies, node.version, program));
  normalise(stage, release.epoch);
}

/** koffi with the binary for this architecture alone, and without its sources. */
async function stageLibraries(
  root: string,
  { npm, koffi }: Architecture,
  modules: string,
  fetched: (name: string) => Promise<string>,
): Promise<void> {
  const keep = (from: string, to: string, paths: readonly string[]): void => {
    for (const path of paths) {
      cpSync(join(from, path), join(modules, to, path), { recursive: true });
    }
  };
  const own = (name: string) => join(root, 'node_modules', name);
  const scriptsOf = (name: string) =>
    readdirSync(own(name), { recursive: true, encoding: 'utf8' }).filter((path) =>
      // koffi has two programs that build it.
      /(?<!cnoke|trampolines)\.c?js$/.test(path),
    );
  keep(own('koffi'), 'koffi', ['package.json', 'LICENSE.txt', ...scriptsOf('koffi')]);
  const binary = `@koromix/koffi-${npm}`;
  keep(await fetched(binary), binary, ['package.json', 'index.js', `${koffi}/koffi.node`]);
}

function installedManifest({ version }: Release): string {
  const manifest = { name: 'tsbridge', version, type: 'module', private: true };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** V8's flags are those of the first line of src/main.ts; see there. */
export function runtimeFlags(root: string): string {
  const main = readFileSync(join(root, 'src/main.ts'), 'utf8');
  const flags = /^#!\/usr\/bin\/env -S node (.*)$/m.exec(main)?.[1];
  if (flags === undefined) throw new Error('src/main.ts begins with no line for env and node');
  return flags;
}

/** Finds the rest beside itself, wherever the folder was unpacked. */
function launcher(root: string, { rpm, loader }: Architecture): string {
  return [
    '#!/bin/sh',
    '# Starts tsbridge with the Node.js that lies beside this file, wherever the folder is.',
    `if [ ! -e ${loader} ]; then`,
    `  echo "tsbridge: this build runs on Linux on ${rpm} with glibc, and there is no ${loader} here" >&2`,
    '  exit 2',
    'fi',
    'here=$(dirname "$(readlink -f "$0")")',
    `exec "$here/node" ${runtimeFlags(root)} "$here/../dist/main.js" "$@"`,
    '',
  ].join('\n');
}

/** The units in the repository are for /usr/local; these start the packaged runtime without a shell. */
function packagedUnit(text: string, root: string): string {
  const start = `/${library}/bin/node ${runtimeFlags(root)} /${library}/dist/main.js`;
  const unit = text
    .replace(/^ExecStart=\/usr\/local\/bin\/tsbridge /m, `ExecStart=${start} `)
    .replaceAll('/usr/local/lib/tsbridge', `/${library}`);
  if (unit.includes('/usr/local')) throw new Error('a unit still names /usr/local');
  return unit;
}
