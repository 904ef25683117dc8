/** The import table of docs/adr/0001-layers.md, as a test. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', 'src');

/** What the composition root puts together. */
const parts = ['protocol', 'admin', 'driver', 'proxy', 'host', 'config', 'log', 'core'];

/** Layer → layers (or single files) that it may import. A layer may always import itself. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  main: ['daemon', 'cli', ...parts],
  daemon: parts,
  cli: ['version', 'daemon', ...parts],
  config: ['core'],
  version: [],
  pieces: [],
  log: ['core', 'driver/host'],
  protocol: ['driver', 'core'],
  admin: ['driver', 'core'],
  driver: ['core', 'render', 'pieces'],
  host: ['core', 'render', 'pieces', 'driver/host'],
  proxy: ['core', 'driver/host'],
  render: ['core'],
  core: [],
};

/** Package → the files or layers that may import it. A package not listed may be imported by none. */
const packageUsers: Readonly<Record<string, readonly string[]>> = {
  netlink: ['host/netlink-socket'],
  execa: ['host/exec'],
  ajv: ['protocol/lazy-validation'],
  fastify: ['protocol', 'admin'],
  pino: ['log'],
  'ipaddr.js': ['core/address'],
  koffi: ['host/libc', 'proxy/system-calls'],
};

/** Node modules that pure code may not import. */
const pureLayers = ['core', 'render'];

/** What would bring a shell in, or stop the event loop for the time of a child. */
const shells = [
  /\bshell\s*:/,
  /\bexecaCommand|\b(?:execSync|spawnSync|execFileSync|execaSync)\b/,
  /['"`](?:\/(?:usr\/)?bin\/)?(?:sh|bash|dash)['"`]/,
];
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
const layerOf = (module: string) => module.split('/')[0] ?? module;
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
  for (const specifier of importsOf(text)) {
    if (specifier.startsWith('.')) {
      const target = moduleName(resolve(dirname(file), specifier));
      own.push(target);
      const layer = layerOf(module);
      const allowed = [layer, ...(mayImport[layer] ?? [])];
      must(
        allowed.some((name) => target === name || layerOf(target) === name),
        `${module} may import ${target}`,
      );
    } else if (specifier.startsWith('node:')) {
      must(!pureLayers.includes(layerOf(module)), `${module} is pure: no ${specifier}`);
    } else {
      const users = packageUsers[specifier] ?? [];
      must(
        users.includes(module) || users.includes(layerOf(module)),
        `${module} may import ${specifier}`,
      );
    }
  }
  must(text.split('\n').length <= 400, `${module} has at most 400 lines`);
  must(
    !childProcess.test(text) && !shells.some((shell) => shell.test(text)),
    `${module} starts no shell and no synchronous child; others only by host/exec`,
  );
}

t.ok(files.length > 100, 'the sources are found');
t.strictSame(broken, []);

t.test('no cycles', (t) => {
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
