/** Who may import whom; docs/adr/0001-layers.md has the reasons. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const repository = join(dirname(fileURLToPath(import.meta.url)), '..');
const root = join(repository, 'src');

/** What the composition root puts together. */
const parts = [
  'frontends',
  'operator',
  'admin',
  'driver',
  'proxy',
  'host',
  'config',
  'core',
  'log',
];

/** What most of the driver needs. */
const told = ['driver/telemetry', 'driver/host', 'core'];

/**
 * Part → parts that it may import. A part is a file or a folder below `src/`, named by its path; a name
 * in a list stands for all that is below it. The longest name that fits a file says what it may import,
 * and the file may always import the folder (of one name here) in which it lies.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  main: ['no-debugger', 'daemon', 'cli'],
  daemon: [...parts, 'unix-socket', 'build-id'],
  cli: [
    ...['version', 'platform', 'daemon', 'codec', 'unix-socket', 'probe-program', 'probe'],
    ...parts,
  ],
  'probe-program': [],
  probe: ['no-debugger', 'core'],
  config: ['core'],
  version: [],
  platform: [],
  yielding: [],
  'lazy-validation': [],
  background: ['core/errors', 'driver/host'],
  linux: [],
  'no-debugger': [],
  'build-id': [],
  'unix-socket': ['core'],
  log: ['core', 'driver/host'],
  'frontends/libnetwork': [
    ...['driver/leases', 'driver/network-driver', 'driver/front-end'],
    ...['lazy-validation', 'unix-socket', ...told],
  ],
  operator: ['driver', 'core', 'yielding'],
  'operator/picture': [],
  'operator/page': ['operator/picture'],
  admin: [
    ...['operator', 'driver/network-driver', 'driver/state'],
    ...['lazy-validation', 'yielding', ...told],
  ],

  // driver/, from the top to the bottom.
  'driver/driver': ['driver', 'core'],
  'driver/leases': [
    ...['driver/network-driver', 'driver/front-end', 'driver/state/leased', 'driver/clock'],
    ...['driver/host', 'core'],
  ],
  'driver/recover': ['driver', 'core', 'yielding'],
  'driver/repair': [
    ...['driver/orphans', 'driver/usecases', 'driver/state', 'driver/world'],
    ...['driver/clock', 'driver/telemetry', 'driver/host', 'core'],
  ],
  'driver/publications': [
    ...['driver/usecases', 'driver/state', 'driver/world'],
    ...['driver/clock', 'driver/host', 'core'],
  ],
  'driver/orphans': [
    'driver/engine',
    'driver/usecases',
    'driver/state',
    'driver/world',
    'driver/clock',
    ...told,
  ],
  'driver/usecases': ['driver/state', 'driver/world', 'driver/front-end', ...told],
  'driver/world': [
    'driver/firewall',
    'driver/state',
    'driver/front-end',
    'driver/settings',
    ...told,
  ],
  'driver/rules': ['driver/firewall', 'driver/state', 'yielding', ...told],
  'driver/firewall': ['driver/state', 'driver/host', 'core'],
  'driver/state': ['driver/host', 'core'],
  'driver/engine': ['driver/host', 'core'],
  'driver/network-driver': ['driver/front-end', 'driver/host', 'core'],
  'driver/front-end': ['driver/settings', 'core'],
  'driver/settings': ['core'],
  'driver/host': ['core'],
  'driver/telemetry': ['core'],
  'driver/clock': [],

  'host/monitor': ['host/iptables', 'host/netlink', 'codec', 'core', 'driver/host'],
  'host/firewalld': ['host/process', 'core', 'driver/host'],
  'host/docker': ['host/process', 'codec', 'yielding', 'core', 'driver/host', 'driver/engine'],
  'host/engine-process': [],
  'host/sandbox': ['driver/host'],
  'host/sysctl': ['core', 'driver/host'],
  'host/iptables': ['host/netlink', 'host/process', 'codec', 'yielding', 'core', 'driver/host'],
  'host/nf-tables': ['host', 'codec', 'core', 'yielding', 'driver/host'],
  'host/requirements': ['host/process'],
  'host/netlink': ['host/process', 'codec', 'core', 'driver/host'],
  // For commands that look at the host themselves; the daemon has no use for it.
  'host/look': ['host/netlink', 'host/process', 'host/records', 'codec', 'core', 'driver/host'],
  // As host/look; its table is written to nf_tables by the same socket as rules of the daemon's.
  'host/trace': [
    ...['host/look', 'host/nf-tables', 'host/netlink', 'host/process'],
    ...['codec', 'core', 'driver/host'],
  ],
  'host/records': ['host/process', 'core', 'yielding', 'driver/host'],
  'host/process': ['linux', 'core/errno', 'driver/host'],

  'proxy/main': ['proxy/process', 'no-debugger'],
  // The daemon and the proxy process share the messages and the folder, and nothing else.
  'proxy/supervision': ['proxy/control', 'proxy/control-folder', 'core', 'driver/host'],
  'proxy/process': ['proxy/control', 'proxy/control-folder', 'core', 'driver/host', 'build-id'],
  'proxy/process/system': ['core', 'linux'],
  'proxy/control': ['core', 'driver/host'],
  'proxy/control-folder': [],
  codec: ['core'],

  // core/, from the top to the bottom.
  'core/options': ['core'],
  'core/publications': ['core/ports', 'core/address', 'core/names', 'core/problems'],
  'core/generations': [
    'core/rules',
    'core/ports',
    'core/network',
    ...['core/address', 'core/names', 'core/errors', 'core/errno'],
  ],
  'core/port-map': ['core'],
  'core/rules': ['core/ports', 'core/address', 'core/names'],
  'core/ports': ['core/network', 'core/address', 'core/errors'],
  'core/segments': ['core/network', 'core/address', 'core/names', 'core/errors'],
  'core/network': ['core/address', 'core/names', 'core/errors'],
  'core/trace': ['core/explain', 'core/address'],
  'core/explain': ['core/address', 'core/shell-words'],
  'core/connectivity': ['core/generations', 'core/network', 'core/address'],
  'core/doctor': ['core/explain', 'core/network', 'core/ports', 'core/address', 'core/shell-words'],
  'core/shell-words': [],
  'core/engine-lists': ['core/names', 'core/plain-text', 'core/address'],
  'core/plain-text': ['core/address'],
  'core/problems': ['core/errors'],
  'core/record-fields': ['core/errors'],
  'core/names': ['core/address'],
  'core/address': [],
  'core/errors': ['core/errno'],
  'core/errno': [],
  'core/nearest': [],
};

/** For all but pure code. */
const owners = ['background'];

/** Package → the files or layers that may import it. A package not listed may be imported by none. */
const packageUsers: Readonly<Record<string, readonly string[]>> = {
  netlink: ['host/netlink/socket/netlink-socket'],
  execa: ['host/process/exec'],
  '@streamparser/json': ['host/docker/docker-socket'],
  ajv: ['lazy-validation'],
  fastify: ['frontends/libnetwork', 'admin'],
  '@prometheus-io/client': ['operator/metrics/library'],
  pino: ['log'],
  'ipaddr.js': ['core/address', 'operator/diags/anonymise'],
  'modern-tar': ['cli/commands/look/diags'],
  'string-width': ['cli/output/fit'],
  // Types only.
  'json-schema-to-ts': ['cli/schemas/schema'],
  koffi: [
    'host/process/libc',
    'host/netlink/socket/netlink-calls',
    'host/netlink/socket/event-calls',
    'proxy/process/system',
    'probe/system',
  ],
};

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
