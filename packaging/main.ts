/**
 * `scripts/package [--out DIR] [--arch NAME]… [--format NAME]… [--quick]`: builds the packages. The first word of
 * every line that it prints is the file, the second its size in bytes, the third its SHA-256.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Architecture, architectures } from './architectures.js';
import { buildDeb } from './deb.js';
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

/** In this order: the Debian package adds files of its own to the staged ones. */
const formats: Readonly<Record<string, Build>> = {
  tar: buildTarball,
  rpm: buildRpm,
  deb: buildDeb,
};

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'packages' },
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

const release = await readRelease();
const out = resolve(values.out);
const cache = join(release.root, 'node_modules/.cache/tsbridge-packaging');
mkdirSync(out, { recursive: true });
const sums: string[] = [];
for (const architecture of one(architectures, values.arch, ({ name }) => name)) {
  const stage = join(cache, `stage-${architecture.name}`);
  await stageFiles(release, architecture, stage, cache);
  for (const [, build] of one(Object.entries(formats), values.format, ([name]) => name)) {
    const path = await build(release, architecture, stage, out, values.quick ? 'quick' : 'small');
    const sum = createHash('sha256').update(readFileSync(path)).digest('hex');
    sums.push(`${sum}  ${basename(path)}\n`);
    process.stdout.write(`${path} ${statSync(path).size} ${sum}\n`);
  }
}
writeFileSync(join(out, 'SHA256SUMS'), sums.join(''));
