/** Packages of Debian by their hash, from a mirror or, once that has newer ones, from Debian's archive of old ones. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Lock, LockedPackage } from './lock.js';

export const mirror = process.env.TSBRIDGE_DEBIAN_MIRROR ?? 'http://deb.debian.org/debian';

const archive = 'http://snapshot.debian.org/archive/debian';

export const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');

/** @throws with every address that was tried, if none has it */
export async function download(urls: readonly string[]): Promise<Buffer> {
  const failures: string[] = [];
  for (const url of urls) {
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(120_000) });
      if (answer.ok) return Buffer.from(await answer.arrayBuffer());
      failures.push(`${url}: ${answer.status} ${answer.statusText}`);
    } catch (error) {
      failures.push(`${url}: ${String((error as Error).cause ?? error)}`);
    }
  }
  throw new Error(failures.join('; '));
}

/** Kept between builds; every file in it has its hash as its name. */
const debs = fileURLToPath(
  new URL('../../node_modules/.cache/tsbridge-packaging/debs', import.meta.url),
);

/**
 * @returns the path of the .deb
 * @throws if nobody has it, or what came is another file
 */
export async function fetchDeb(
  { published }: Pick<Lock, 'published'>,
  { name, path, sha256: expected }: LockedPackage,
  cache = debs,
  mirrors: readonly string[] = [mirror, `${archive}/${published}`],
): Promise<string> {
  const file = join(cache, `${expected}.deb`);
  if (existsSync(file) && sha256(readFileSync(file)) === expected) return file;
  const data = await download(mirrors.map((base) => `${base}/${path}`)).catch((error: Error) => {
    throw new Error(`${error.message}; if Debian has a newer ${name}: scripts/base-packages`);
  });
  const found = sha256(data);
  if (found !== expected) {
    throw new Error(
      `${path} has the hash ${found}, and not ${expected} of packaging/base/trixie.txt`,
    );
  }
  mkdirSync(cache, { recursive: true });
  writeFileSync(`${file}.new`, data);
  renameSync(`${file}.new`, file);
  return file;
}
