/** The Debian package: the staged files, a control file, and scripts that are careful with networks. */

import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Architecture } from './architectures.js';
import { normalise } from './modes.js';
import type { Release } from './release.js';
import { type Effort, run } from './run.js';
import { debianScripts } from './scripts.js';
import { folderSize } from './size.js';

/** Debian's packages of the libraries that the bundled Node.js is linked against. */
export const libraries = ['libc6 (>= 2.28)', 'libgcc-s1', 'libstdc++6 (>= 9)'];
/** The packages of commands that the daemon runs, and those libraries. */
const depends = ['iptables (>= 1.8.7)', 'iproute2', 'nftables', ...libraries];

/** @returns the path of the package */
export async function buildDeb(
  release: Release,
  architecture: Architecture,
  stage: string,
  out: string,
  effort: Effort,
): Promise<string> {
  const { root, version, epoch } = release;
  const control = join(stage, 'DEBIAN');
  const put = (path: string, text: string | Buffer, mode = 0o644): void => {
    writeFileSync(join(stage, path), text);
    chmodSync(join(stage, path), mode);
  };
  const changelog = debianChangelog(release);
  put('usr/share/doc/tsbridge/changelog.gz', gzipSync(changelog, { level: 9 }));
  mkdirSync(join(stage, 'usr/share/lintian/overrides'), { recursive: true });
  const overrides = readFileSync(join(root, 'packaging/debian/lintian-overrides'), 'utf8');
  put('usr/share/lintian/overrides/tsbridge', overrides);
  const installedKiB = Math.ceil(folderSize(stage) / 1024);
  mkdirSync(control);
  put('DEBIAN/control', controlFile(release, architecture, installedKiB));
  put('DEBIAN/conffiles', '/etc/default/tsbridge\n');
  for (const [name, text] of Object.entries(debianScripts(root))) {
    put(`DEBIAN/${name}`, text, 0o755);
  }
  normalise(stage, epoch);
  const path = join(out, `tsbridge_${version}_${architecture.name}.deb`);
  const compression = effort === 'small' ? ['-Zxz', '-z9'] : ['-Zgzip', '-z1'];
  // One thread, since several cut the stream where their number says.
  const args = ['--root-owner-group', '--threads-max=1', ...compression, '--build', stage, path];
  await run('dpkg-deb', args, { env: { SOURCE_DATE_EPOCH: String(epoch) } });
  rmSync(control, { recursive: true });
  return path;
}

function controlFile(
  { version, maintainer }: Release,
  { name }: Architecture,
  installedKiB: number,
): string {
  return [
    'Package: tsbridge',
    `Version: ${version}`,
    `Architecture: ${name}`,
    `Maintainer: ${maintainer}`,
    `Installed-Size: ${installedKiB}`,
    `Depends: ${depends.join(', ')}`,
    // It serves an engine, which may also come from somewhere else than Debian.
    'Enhances: docker.io, docker-ce',
    'Section: net',
    'Priority: optional',
    'Description: bridge networks for Docker, fast and self-repairing',
    ' A network driver for Docker that makes what the engine makes itself: the same',
    ' bridges, veth pairs, iptables chains and port mappings. One process in place',
    ' of one for each port, rules that come back by themselves, errors that say what',
    ' to do.',
    ' .',
    ' Networks take it by name: docker network create -d tsbridge app',
    '',
  ].join('\n');
}

/** Debian wants a changelog in its own form; what changed stands in ours. */
function debianChangelog({ version, epoch, maintainer }: Release): string {
  const date = new Date(epoch * 1000).toUTCString().replace('GMT', '+0000');
  return [
    `tsbridge (${version}) stable; urgency=medium`,
    '',
    '  * See CHANGELOG.md of this version.',
    '',
    ` -- ${maintainer}  ${date}`,
    '',
  ].join('\n');
}
