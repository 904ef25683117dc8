/** Files that commands write for others to read. */
import { randomBytes } from 'node:crypto';
import { access, constants, lstat, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf } from '../../core/errors.js';

/** Whether {@link replaceFile} will be able to, as far as one sees: asked before what takes long. @throws if not */
export async function canReplace(path: string): Promise<void> {
  const there = await lstat(path).catch(() => undefined);
  if (there !== undefined && !there.isFile()) {
    throw new Error(`writing ${path}: it is there, and is no regular file; give another name`);
  }
  await access(dirname(path), constants.W_OK).catch((error) => {
    throw notWritten(path, error);
  });
}

/**
 * Replaces the file by a rename: a reader finds the old text or the new one, and after a failure the old one.
 * Only a regular file is replaced: in the place of /dev/stdout or another link, device or pipe, a file would
 * be in the way of every program that uses it.
 *
 * @param mode of the new file; that of an old one is not kept
 */
export async function replaceFile(
  path: string,
  text: string,
  mode: number,
  { flush = false } = {},
): Promise<void> {
  await canReplace(path);
  // The name does not end as the file's does, so that a collector of such files does not read it.
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await writeFile(temporary, text, { flag: 'wx', mode, flush });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw notWritten(path, error);
  }
}

function notWritten(path: string, error: unknown): Error {
  const words = `writing ${path}: ${messageOf(error)}; is ${dirname(path)} there, and may you write to it?`;
  return new Error(words, { cause: error });
}
