/**
 * The archive for hosts without dpkg and rpm: unpack it anywhere. xz, since gzip makes 44 MB of the runtime
 * alone.
 */
import { join } from 'node:path';
import type { Architecture } from './architectures.js';
import type { Release } from './release.js';
import { type Effort, run } from './run.js';

/** @returns the path of the archive, in which all lies in one folder of its name */
export async function buildTarball(
  { version, epoch }: Release,
  { npm }: Architecture,
  stage: string,
  out: string,
  effort: Effort,
): Promise<string> {
  const name = `tsbridge-${version}-${npm}`;
  const plain = join(out, `${name}.tar`);
  await run('tar', [
    ...['--create', '--file', plain, '--directory', stage],
    ...['--sort=name', `--mtime=@${epoch}`, '--owner=0', '--group=0', '--numeric-owner'],
    ...['--format=gnu', `--transform=s,^\\./,${name}/,S`, '--exclude=./DEBIAN', '.'],
  ]);
  // One thread, since several cut the stream where their number says.
  await run('xz', ['--threads=1', effort === 'small' ? '-9' : '-0', '--force', plain]);
  return `${plain}.xz`;
}
