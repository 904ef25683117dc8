/**
 * The archive for hosts without dpkg and rpm: unpack it anywhere. xz, since gzip makes 44 MB of the runtime
 * alone.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from './architectures.js';
import type { Release } from './release.js';
import { type Effort, run } from './run.js';

/** An archive of a folder's content that is the same whoever packs it: sorted, root's, of one time. */
export async function packTar(
  folder: string,
  file: string,
  epoch: number,
  more: readonly string[] = [],
): Promise<void> {
  await run('tar', [
    ...['--create', '--file', file, '--directory', folder],
    ...['--sort=name', `--mtime=@${epoch}`, '--owner=0', '--group=0', '--numeric-owner'],
    ...['--format=gnu', ...more, ...readdirSync(folder).sort()],
  ]);
}

/** @returns the path of the compressed archive, or of the plain one where the effort is quick */
export async function pressTar(file: string, effort: Effort): Promise<string> {
  if (effort === 'quick') return file;
  // One thread, since several cut the stream where their number says.
  await run('xz', ['--threads=1', '-9', '--force', file]);
  return `${file}.xz`;
}

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
  await packTar(stage, plain, epoch, [`--transform=s,^,${name}/,S`, '--exclude=DEBIAN']);
  return await pressTar(plain, effort);
}
