/** Holds the tables of architecture/: who may import whom. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { mayImport } from './architecture/imports.js';
import { packageUsers } from './architecture/packages.js';

const repository = join(dirname(fileURLToPath(import.meta.url)), '..');
const root = join(repository, 'src');

/** For all but pure code. */
const owners = ['background'];

/** Node modules that pure code may not import. */
const pureParts = ['core', 'codec', 'operator/picture', 'operator/page'];

/** What would bring a shell in, or stop the event loop for the time of a child. */
const shells = [
  /\bshell\s*:/,
  /\bexecaCommand|\b(?:execSync|spawnSync|execFileSync|execaSync)\b/,
  /['"`](?:\/(?:usr\/)?bin\/)?(?:sh|bash|dash)['"`]/,
];
const aboutShells = ['cli/table/completion', 'cli/commands/completion'];
/** Types may come from anywhere: they start nothing. */
const childProcess = /^import\s+(?!type\b)[^;]*?\bfrom\s+'(?:node:)?child_process'/m;

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sourceFiles(path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });
}

const moduleName = (path: string) => relative(root, path).replace(/\.(ts|js)$/, '');
const isIn = (module: string, part: string) => module === part || module.startsWith(`${part}/`);
const partOf = (module: string) =>
  Object.keys(mayImport)
    .filter((part) => isIn(module, part))
    .sort((a, b) => b.length - a.length)[0];
const importsOf = (text: string) =>
  [
    ...text.matchAll(
      /^(?:import|export)\b[^;]*?\bfrom\s+'([^']+)'|\bimport\('([^']+)'\)|^import\s+'([^']+)'/gm,
    ),
  ].map((match) => match[1] ?? match[2] ?? match[3] ?? '');

const files = sourceFiles(root);
/** What breaks a rule, in words. */
const broken: string[] = [];
const must = (holds: boolean, rule: string): void => {
  if (!holds) broken.push(rule);
};
const graph = new Map<string, string[]>();

for (const file of files) {
  const module = moduleName(file);
  const text = readFileSync(file, 'utf8');
  const own: string[] = [];
  graph.set(module, own);
  const part = partOf(module);
  must(part !== undefined, `${module} lies in a part of the table`);
  for (const specifier of importsOf(text)) {
    if (specifier.startsWith('.')) {
      const target = moduleName(resolve(dirname(file), specifier));
      own.push(target);
      const allowed =
        part === undefined
          ? []
          : [
              part,
              ...(mayImport[part] ?? []),
              ...(pureParts.some((pure) => isIn(module, pure)) ? [] : owners),
            ];
      must(
        allowed.some((name) => isIn(target, name)),
        `${module} may import ${target}`,
      );
    } else if (specifier.startsWith('node:')) {
      must(!pureParts.some((pure) => isIn(module, pure)), `${module} is pure: no ${specifier}`);
    } else {
      // Or a file of it.
      const [name] = /^(?:@[^/]+\/)?[^/]+/.exec(specifier) ?? [];
      const users = packageUsers[name ?? specifier] ?? [];
      must(
        users.some((user) => isIn(module, user)),
        `${module} may import ${specifier}`,
      );
    }
  }
  must(
    !/-readonly\b/.test(text) || module === 'driver/state/transitions',
    `${module} takes no readonly away: records change by driver/state/transitions`,
  );
  // Docker's JSON is a front end's: the driver sees what was read of it.
  const reads = own.find((target) =>
    /^core\/options\/(input|option-reader|network-options|endpoint-options)$/.test(target),
  );
  must(!isIn(module, 'driver') || reads === undefined, `${module} may read ${reads}`);
  must(
    !childProcess.test(text) &&
      (aboutShells.includes(module) || !shells.some((shell) => shell.test(text))),
    `${module} starts no shell and no synchronous child; others only by host/process/exec`,
  );
}

t.ok(files.length > 100, 'the sources are found');
t.strictSame(broken, []);

t.test('no module of src imports itself through others', (t) => {
  const done = new Set<string>();
  const visit = (module: string, path: readonly string[]): void => {
    if (path.includes(module)) {
      t.fail(`cycle: ${[...path, module].join(' → ')}`);
      return;
    }
    if (done.has(module)) return;
    for (const next of graph.get(module) ?? []) visit(next, [...path, module]);
    done.add(module);
  };
  for (const module of graph.keys()) visit(module, []);
  t.pass(`${graph.size} modules`);
  t.end();
});
