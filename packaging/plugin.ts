/**
 * The managed plugin of Docker: a folder for `docker plugin create`, in an archive. The engine runs it as a
 * container with the host's network and what config.json asks for.
 */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { environmentName, fieldNames, fields, fileKey } from '../src/config/fields.js';
import type { Architecture } from './architectures.js';
import { layBase, layInstalled, seal } from './base/rootfs.js';
import type { Release } from './release.js';
import type { Effort } from './run.js';
import { library, runtimeFlags } from './stage.js';
import { packTar, pressTar } from './tarball.js';

/** What the daemon may do, as in systemd/tsbridge.service. */
const capabilities = ['net_admin', 'net_raw', 'net_bind_service'];

/** Where the plugin sees `/proc/sys/net`: what is at its own place is read-only in every plugin. */
const sysctlFolder = '/host/proc/sys';

/** Settings that are the plugin's own affair. */
const fixed: readonly (typeof fieldNames)[number][] = [
  ...(['socket', 'stateDir', 'runtimeDir', 'sysctlDir', 'configFile'] as const),
];

interface Mount {
  readonly name: string;
  readonly description: string;
  readonly path: string;
  readonly source?: string;
  readonly options?: readonly string[];
}

/** packaging/plugin/tmpfiles.conf makes what may be missing on the host. */
const mounts: readonly Mount[] = [
  {
    name: 'state',
    description: 'records of networks and endpoints',
    path: '/var/lib/tsbridge',
  },
  {
    name: 'runtime',
    description: 'sockets between our processes, and for the command tsbridge',
    path: '/run/tsbridge',
  },
  {
    name: 'namespaces',
    description: "the engine's network namespaces: which containers are gone",
    path: '/run/docker/netns',
    options: ['rbind', 'rslave', 'ro'],
  },
  {
    name: 'lock',
    description: 'the lock that all users of iptables-legacy take',
    path: '/run/xtables.lock',
  },
  {
    name: 'sysctls',
    description: "the kernel's settings of the network",
    path: `${sysctlFolder}/net`,
    source: '/proc/sys/net',
  },
];

/** @returns the text of config.json, https://docs.docker.com/engine/extend/config/ */
export function pluginConfig(root: string): string {
  const wanted = capabilities.map((name) => `+${name}`).join(',');
  const config = {
    description: 'tsbridge, a bridge network driver for Docker',
    documentation: 'docs/install.md of tsbridge',
    entrypoint: [
      // The engine gives every plugin the powers of a container, and no way to ask for fewer.
      ...['/usr/bin/setpriv', '--no-new-privs', `--bounding-set=-all,${wanted}`, '--inh-caps=-all'],
      ...[`/${library}/bin/node`, ...runtimeFlags(root).split(' ')],
      ...[`/${library}/dist/main.js`, 'daemon', '--sysctl-dir', sysctlFolder],
    ],
    workdir: '/',
    interface: { types: ['docker.networkdriver/1.0'], socket: 'tsbridge.sock' },
    network: { type: 'host' },
    // Whether a process of the engine's or of ours is still there is asked by its number.
    pidhost: true,
    linux: { capabilities: capabilities.map((name) => `CAP_${name.toUpperCase()}`) },
    mounts: mounts.map(({ name, description, path, source, options }) => ({
      ...{ name, description, source: source ?? path, destination: path, type: 'bind' },
      ...{ options: options ?? ['rbind'], settable: null },
    })),
    env: fieldNames
      .filter((name) => !fixed.includes(name) && fileKey(name) !== undefined)
      .map((name) => ({
        ...{ name: environmentName(name), description: fields[name].help },
        ...{ settable: ['value'], value: '' },
      })),
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** Empties `folder` and lays out in it what `docker plugin create` takes. */
export async function layPlugin(
  { root, epoch }: Release,
  architecture: Architecture,
  stage: string,
  folder: string,
): Promise<void> {
  const rootfs = join(folder, 'rootfs');
  rmSync(folder, { recursive: true, force: true });
  await layBase(architecture, rootfs);
  layInstalled(architecture, stage, rootfs);
  mkdirSync(join(rootfs, sysctlFolder), { recursive: true });
  seal(rootfs, epoch);
  writeFileSync(join(folder, 'config.json'), pluginConfig(root));
  cpSync(join(root, 'packaging/plugin/tmpfiles.conf'), join(folder, 'tmpfiles.conf'));
}

/** @returns the path of `tsbridge-plugin-VERSION-MACHINE.tar.xz` */
export async function buildPlugin(
  release: Release,
  architecture: Architecture,
  stage: string,
  out: string,
  effort: Effort,
): Promise<string> {
  const { version, epoch } = release;
  const work = `${stage}-plugin`;
  rmSync(work, { recursive: true, force: true });
  const name = `tsbridge-plugin-${version}-${architecture.npm}`;
  await layPlugin(release, architecture, stage, join(work, name));
  const tar = join(out, `${name}.tar`);
  await packTar(work, tar, epoch);
  rmSync(work, { recursive: true });
  return await pressTar(tar, effort);
}
