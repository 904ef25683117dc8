/**
 * Packages of npm, for any architecture: npm itself installs only those of the machine that it runs on.
 * Each must be the one that package-lock.json names, by its hash.
 */
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { normalise } from './modes.js';
import { run } from './run.js';

interface Locked {
  readonly version: string;
  readonly integrity: string;
}

/** @throws if package-lock.json has no such package, or no hash for it */
function lockedPackage(root: string, name: string): Locked {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version?: string; integrity?: string }>;
  };
  const { version, integrity } = lock.packages[`node_modules/${name}`] ?? {};
  if (version === undefined || integrity === undefined) {
    throw new Error(`package-lock.json has no version and hash of ${name}: npm install again`);
  }
  return { version, integrity };
}

function versionOf(folder: string): string {
  const text = readFileSync(join(folder, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/**
 * The package that npm installs, of this repository: the same for all machines, since npm brings the runtime.
 *
 * @returns the path of `tsbridge-VERSION.tgz`
 */
export async function buildNpmPackage(root: string, out: string): Promise<string> {
  // dist/ is there already. npm packs files with their modes, which in a clone depend on the umask of who made it; the
  // files of a copy get modes of our choice.
  const args = ['pack', '--silent', '--ignore-scripts'];
  const listing = await run('npm', [...args, '--dry-run', '--json'], { cwd: root });
  const [{ files }] = JSON.parse(listing) as [{ files: { path: string }[] }];
  const copy = mkdtempSync(join(tmpdir(), 'tsbridge-npm-'));
  try {
    for (const { path } of files) cpSync(join(root, path), join(copy, path));
    normalise(copy, 0);
    const packed = await run('npm', [...args, '--pack-destination', resolve(out)], { cwd: copy });
    return join(out, packed.trim().split('\n').at(-1) ?? '');
  } finally {
    rmSync(copy, { recursive: true });
  }
}

/**
 * Unpacks a package, or answers with the folder in which npm or an earlier call did.
 *
 * @param cache folder that is kept between calls
 * @returns the folder of the package
 * @throws if what the registry sent is not what package-lock.json names
 */
export async function fetchPackage(root: string, name: string, cache: string): Promise<string> {
  const { version, integrity } = lockedPackage(root, name);
  // npm compared the hash when it installed it.
  const installed = join(root, 'node_modules', name);
  if (existsSync(installed) && versionOf(installed) === version) return installed;
  const folder = join(cache, `${name.replace('/', '-')}-${version}`);
  if (existsSync(folder)) return folder;
  const temporary = `${folder}.new`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  const args = ['pack', '--silent', '--pack-destination', temporary, `${name}@${version}`];
  const file = join(temporary, (await run('npm', args)).trim().split('\n').at(-1) ?? '');
  const [algorithm = '', expected] = integrity.split(/-(.*)/s);
  const found = createHash(algorithm).update(readFileSync(file)).digest('base64');
  if (found !== expected) {
    throw new Error(`${name} ${version} has ${algorithm} ${found}, package-lock.json ${expected}`);
  }
  await run('tar', ['-xzf', file, '-C', temporary, '--strip-components=1', '--no-same-owner']);
  rmSync(file);
  renameSync(temporary, folder);
  return folder;
}
