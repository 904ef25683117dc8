/** What is packaged: its version, and the one time that every file in every package carries. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './run.js';

export interface Release {
  /** The repository's folder. */
  readonly root: string;
  /** As in package.json: `0.2.0`. */
  readonly version: string;
  /** Seconds since 1970: the time of the commit, so that two builds of it are equal. */
  readonly epoch: number;
  readonly maintainer: string;
}

/** @throws if there is neither a git repository nor SOURCE_DATE_EPOCH */
export async function readRelease(): Promise<Release> {
  const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  const given = process.env.SOURCE_DATE_EPOCH;
  const text = given ?? (await run('git', ['-C', root, 'log', '-1', '--format=%ct']));
  const epoch = Number(text.trim());
  if (!Number.isSafeInteger(epoch) || epoch <= 0) {
    throw new Error(`SOURCE_DATE_EPOCH is not a number of seconds: ${JSON.stringify(text)}`);
  }
  return {
    root,
    version,
    epoch,
    maintainer: 'tsbridge maintainers <maintainers@tsbridge.example>',
  };
}
