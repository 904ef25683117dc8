/**
 * A managed plugin that is only a link to the daemon's socket, because swarm takes no other drivers. No call passes
 * through it: the engine follows the link in its own file system.
 */
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Architecture } from './architectures.js';
import { fetchDeb } from './base/fetch.js';
import { readLock } from './base/lock.js';
import { run } from './run.js';

/** A program of Debian's in every package. */
export interface BundledProgram {
  readonly name: string;
  readonly version: string;
  /** The hash, in hex digits, of the Debian package that the program is taken from. */
  readonly sha256: string;
  /** The text of that package's copyright file. */
  readonly terms: string;
}

/** The socket's name in the plugin; the engine looks for it in a folder below that of the other sockets. */
const socket = 'link.sock';

const script = [
  'trap "exit 0" TERM',
  `/busybox ln -sf ../tsbridge.sock /run/docker/plugins/${socket}`,
  'while :; do /busybox sleep 86400 & wait $!; done',
].join('; ');

/** The text of config.json. */
export function swarmPluginConfig(): string {
  const config = {
    description: 'the driver tsbridge, for networks of swarm services',
    documentation: 'docs/install.md of tsbridge',
    entrypoint: ['/busybox', 'sh', '-ec', script],
    workdir: '/',
    interface: { types: ['docker.networkdriver/1.0'], socket },
    network: { type: 'none' },
    linux: { capabilities: null },
    mounts: null,
    env: null,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** Puts the program that makes the link at `target`. */
export async function laySwarmProgram(
  { name: architecture }: Architecture,
  target: string,
): Promise<BundledProgram> {
  const lock = readLock();
  const isIt = (each: { name: string; architecture: string }) =>
    each.name === 'busybox-static' && each.architecture === architecture;
  const locked = lock.packages.find(isIt);
  if (locked === undefined) throw new Error(`no busybox-static for ${architecture} in trixie.txt`);
  const unpacked = mkdtempSync(join(tmpdir(), 'tsbridge-busybox-'));
  try {
    await run('dpkg-deb', ['--extract', await fetchDeb(lock, locked), unpacked]);
    mkdirSync(join(target, '..'), { recursive: true });
    copyFileSync(join(unpacked, 'usr/bin/busybox'), target);
    chmodSync(target, 0o755);
    const terms = readFileSync(join(unpacked, 'usr/share/doc/busybox-static/copyright'), 'utf8');
    return { name: locked.name, version: locked.version, sha256: locked.sha256, terms };
  } finally {
    rmSync(unpacked, { recursive: true });
  }
}
