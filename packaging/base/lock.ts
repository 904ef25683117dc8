/** Which files of Debian's the image and the plugin are built from: `trixie.txt`, written by scripts/base-packages. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Architecture } from '../architectures.js';

export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** Below the mirror: `pool/main/n/netbase/netbase_6.5_all.deb`. */
  readonly path: string;
  readonly sha256: string;
}

export interface Lock {
  /** When Debian published the list that the packages were chosen from: `20261114T085100Z`. */
  readonly published: string;
  readonly packages: readonly (LockedPackage & { readonly architecture: Architecture['name'] })[];
}

export const lockFile = fileURLToPath(new URL('trixie.txt', import.meta.url));

/** @throws if a line is not of the form that {@link renderLock} writes */
export function parseLock(text: string): Lock {
  const published = /^# published (\d{8}T\d{6}Z)$/m.exec(text)?.[1];
  if (published === undefined) throw new Error(`${lockFile} does not say when it was published`);
  const packages = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [architecture, name, version, sha256, path, ...more] = line.split(' ');
      if (path === undefined || more.length > 0 || !/^[0-9a-f]{64}$/.test(sha256 ?? '')) {
        throw new Error(`${lockFile}: not a package: ${line}`);
      }
      return { architecture, name, version, sha256, path } as Lock['packages'][number];
    });
  return { published, packages };
}

export function readLock(): Lock {
  return parseLock(readFileSync(lockFile, 'utf8'));
}

export function renderLock({ published, packages }: Lock): string {
  return [
    '# Packages of Debian in the image and in the plugin. Written by scripts/base-packages.',
    `# published ${published}`,
    ...packages.map(({ architecture, name, version, sha256, path }) =>
      [architecture, name, version, sha256, path].join(' '),
    ),
    '',
  ].join('\n');
}
