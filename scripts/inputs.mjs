/**
 * What a build and an installation are made of, so that neither has to guess by dates.
 *
 *   node scripts/inputs.mjs              a hash of everything that dist/ is built from
 *   node scripts/inputs.mjs --note       the same, into build/inputs, before a build
 *   node scripts/inputs.mjs --installed  exits 1 unless node_modules is what package-lock.json says
 *   node scripts/inputs.mjs --packages   the folders of packages that run time needs, parents first
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

const inputs = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts/bundle.mjs',
  'scripts/inputs.mjs',
  'src',
];

function filesOf(path) {
  if (!statSync(path).isDirectory()) return [path];
  const names = readdirSync(path).sort();
  return names.flatMap((name) => filesOf(join(path, name)));
}

function hash() {
  const sum = createHash('sha256');
  for (const file of inputs.filter((path) => existsSync(path)).flatMap(filesOf)) {
    const content = readFileSync(file);
    // With its length, so that no two trees have the same bytes in a row.
    sum.update(`${file}\0${content.length}\0`).update(content);
  }
  return sum.digest('hex');
}

const lockOf = (path) => JSON.parse(readFileSync(path, 'utf8')).packages;

/** npm notes here what it has put into node_modules. */
function isInstalled() {
  if (!existsSync('node_modules/.package-lock.json')) return false;
  const there = lockOf('node_modules/.package-lock.json');
  return Object.entries(lockOf('package-lock.json')).every(([path, wanted]) => {
    if (path === '') return true;
    const found = there[path];
    // An optional one of another platform is rightly absent.
    if (found === undefined) return wanted.optional === true || wanted.devOptional === true;
    return found.version === wanted.version && found.integrity === wanted.integrity;
  });
}

function runtimePackages() {
  return Object.entries(lockOf('package-lock.json'))
    .filter(([path, { dev }]) => path !== '' && dev !== true && existsSync(path))
    .map(([path]) => path)
    .sort();
}

const [what] = process.argv.slice(2);
switch (what) {
  case undefined:
    console.log(hash());
    break;
  case '--note':
    mkdirSync('build', { recursive: true });
    writeFileSync('build/inputs', `${hash()}\n`);
    break;
  case '--installed':
    process.exitCode = isInstalled() ? 0 : 1;
    break;
  case '--packages':
    console.log(runtimePackages().join('\n'));
    break;
  default:
    console.error(`inputs.mjs: unknown argument ${what}`);
    process.exitCode = 2;
}
