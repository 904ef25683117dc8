/** See scripts/base-packages. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { architectures } from '../architectures.js';
import { run } from '../run.js';
import { contents, suite } from './contents.js';
import { download, mirror, sha256 } from './fetch.js';
import { type Lock, lockFile, readLock, renderLock } from './lock.js';

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
const folder = mkdtempSync(join(tmpdir(), 'tsbridge-base-'));

/** The text of a file whose signature is by one of Debian's keys. */
async function verified(url: string): Promise<string> {
  const signed = join(folder, 'InRelease');
  writeFileSync(signed, await download([url]));
  return await run('gpgv', ['--quiet', '--keyring', keyring, '--output', '-', signed]);
}

/** Every stanza of a list of packages, by name. */
function stanzas(text: string): Map<string, Map<string, string>> {
  const found = text.split('\n\n').map((stanza) => {
    const lines = [...stanza.matchAll(/^(\S+): (.*)$/gm)];
    return new Map(lines.map(([, key = '', value = '']) => [key, value]));
  });
  return new Map(found.map((stanza) => [stanza.get('Package') ?? '', stanza]));
}

/** `Sat, 14 Nov 2026 08:51:00 UTC` → `20261114T085100Z` */
const compact = (date: string) =>
  new Date(date).toISOString().replace(/[-:]/g, '').replace('.000', '');

async function renew(): Promise<Lock> {
  const release = await verified(`${mirror}/dists/${suite}/InRelease`);
  const packages: Lock['packages'][number][] = [];
  for (const { name: architecture } of architectures) {
    const list = `main/binary-${architecture}/Packages.xz`;
    const expected = new RegExp(`^ ([0-9a-f]{64}) +\\d+ ${list}$`, 'm').exec(release)?.[1];
    const packed = await download([`${mirror}/dists/${suite}/${list}`]);
    if (sha256(packed) !== expected) throw new Error(`${list} is not the one that was signed`);
    const file = join(folder, 'Packages.xz');
    writeFileSync(file, packed);
    const known = stanzas(await run('xz', ['-dc', file]));
    for (const name of Object.keys(contents)) {
      const stanza = known.get(name);
      const [version, path, sum] = ['Version', 'Filename', 'SHA256'].map((key) => stanza?.get(key));
      if (version === undefined || path === undefined || sum === undefined) {
        throw new Error(`${suite} has no ${name} for ${architecture}`);
      }
      packages.push({ architecture, name, version, path, sha256: sum });
    }
  }
  const date = /^Date: (.*)$/m.exec(release)?.[1] ?? '';
  return { published: compact(date), packages };
}

try {
  const check = process.argv.includes('--check');
  const lock = await renew();
  const known = new Set(
    check
      ? readLock().packages.map(({ sha256: sum, architecture }) => `${architecture} ${sum}`)
      : [],
  );
  const newer = lock.packages.filter((each) => !known.has(`${each.architecture} ${each.sha256}`));
  for (const { architecture, name, version } of newer) {
    process.stdout.write(`${architecture} ${name} ${version}\n`);
  }
  if (!check) writeFileSync(lockFile, renderLock(lock));
  else if (newer.length > 0) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
