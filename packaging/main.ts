/**
 * `scripts/package [--out DIR] [--arch NAME]… [--format NAME]… [--quick]`: builds the packages. The first word of
 * every line that it prints is the file, the second its size in bytes, the third its SHA-256.
 */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Architecture, architectures } from './architectures.js';
import { sha256 } from './base/fetch.js';
import { buildDeb } from './deb.js';
import { buildImage } from './image.js';
import { buildNpmPackage } from './npm-package.js';
import { buildPlugin } from './plugin.js';
import { type Release, readRelease } from './release.js';
import { buildRpm } from './rpm.js';
import type { Effort } from './run.js';
import { stageFiles } from './stage.js';
import { buildTarball } from './tarball.js';

type Build = (
  release: Release,
  architecture: Architecture,
  stage: string,
  out: string,
  effort: Effort,
) => Promise<string>;

/** In this order: the Debian package adds files of its own to the staged ones, the others none. */
const formats: Readonly<Record<string, Build>> = {
  tar: buildTarball,
  rpm: buildRpm,
  image: buildImage,
  plugin: buildPlugin,
  deb: buildDeb,
};

const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    /** The folder in which the command was typed, for a relative --out. */
    from: { type: 'string', default: '.' },
    arch: { type: 'string', multiple: true },
    format: { type: 'string', multiple: true },
    quick: { type: 'boolean', default: false },
  },
});
const one = <T>(
  all: readonly T[],
  names: readonly string[] | undefined,
  nameOf: (each: T) => string,
) => {
  for (const name of names ?? []) {
    if (!all.some((each) => nameOf(each) === name)) {
      throw new Error(`unknown ${JSON.stringify(name)}: there are ${all.map(nameOf).join(', ')}`);
    }
  }
  return all.filter((each) => names === undefined || names.includes(nameOf(each)));
};

// Archives have the modes of the files that this process makes, which its caller's umask must not change.
process.umask(0o022);
const release = await readRelease();
if (values.out === '') throw new Error('--out needs a folder');
const out = resolve(values.from, values.out ?? join(release.root, 'packages'));
const cache = join(release.root, 'node_modules/.cache/tsbridge-packaging');
mkdirSync(out, { recursive: true });
const sums: string[] = [];
async function note(path: string): Promise<void> {
  const sum = sha256(readFileSync(path));
  sums.push(`${sum}  ${basename(path)}\n`);
  process.stdout.write(`${path} ${statSync(path).size} ${sum}\n`);
}
const all = [...Object.keys(formats), 'npm'];
const chosen = one(all, values.format, (name) => name);
if (chosen.includes('npm')) await note(await buildNpmPackage(release.root, out));
for (const architecture of one(architectures, values.arch, ({ name }) => name)) {
  const builds = Object.entries(formats).filter(([name]) => chosen.includes(name));
  if (builds.length === 0) break;
  const stage = join(cache, `stage-${architecture.name}`);
  await stageFiles(release, architecture, stage, cache);
  for (const [, build] of builds) {
    await note(await build(release, architecture, stage, out, values.quick ? 'quick' : 'small'));
  }
}
writeFileSync(join(out, 'SHA256SUMS'), sums.join(''));
