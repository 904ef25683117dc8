/** What the documentation lists is what the code has. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { reference } from '../../scripts/reference.js';
import { schemaNames } from '../../src/cli/schemas/all.js';
import { readCommandLine } from '../../src/cli/table/parse.js';
import { commands } from '../../src/cli/table.js';
import {
  environmentName,
  fallbackText,
  fieldNames,
  fields,
  fileKey,
} from '../../src/config/fields.js';
import { errorCodes } from '../../src/core/errors.js';
import { labels } from '../../src/core/options/network-labels.js';
import { runsOf } from '../lab/parity-runs.js';
import { type EngineVersion, SUITES } from '../lab/suites.js';
import { documentedOutputs } from '../process/documented.js';
import { documentOf } from '../process/documents.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** As a shell takes a line apart; of its quoting, the examples use double quotes around whole words. */
function shellWords(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|\S+/g)].map(([word, quoted]) => quoted ?? word);
}

function flagTable(): string {
  const rows = fieldNames.map((name) => {
    const { flag, kind, help } = fields[name];
    const key = fileKey(name);
    const cells = [
      `\`--${flag}\``,
      `\`${environmentName(name)}\``,
      key === undefined ? '' : `\`${key}\``,
      kind.accepts,
      fields[name].fallbackText === undefined ? `\`${fallbackText(name)}\`` : fallbackText(name),
      help,
    ];
    return `| ${cells.join(' | ')} |\n`;
  });
  const head = '| flag | environment | key in the file | takes | default | what it is |\n';
  return `${head}|---|---|---|---|---|---|\n${rows.join('')}`;
}

t.test('docs/options.md lists every flag', (t) => {
  const [, table = ''] =
    /<!-- flags[^>]*-->\n(.*?)<!-- \/flags -->/s.exec(read('docs/options.md')) ?? [];
  t.equal(table, flagTable());
  t.end();
});

t.test('docs/options.md lists every label of networks', (t) => {
  const text = read('docs/options.md');
  for (const label of Object.values(labels)) {
    // Two families in one row: the second is written as its end.
    const [, tail = ''] = /([^.]*)$/.exec(label) ?? [];
    const end = tail.replace(/^gateway_mode/, '');
    t.ok(text.includes(label) || text.includes(`…${end}`), label);
  }
  t.end();
});

t.test('what the comparison with Docker leaves out is listed with its reason', (t) => {
  const listed = read('docs/differences.md').replace(/\s+/g, ' ');
  const runs = (Object.keys(SUITES) as EngineVersion[]).flatMap(runsOf);
  const names = runs
    .flatMap(({ scenarios }) => scenarios)
    .flatMap(({ exceptions = [] }) => exceptions)
    .map(({ listedAs }) => listedAs);
  for (const name of new Set(names)) t.ok(listed.includes(`**${name}`), name);
  t.end();
});

t.test('docs/errors.md has a section for every code, and no other', (t) => {
  const sections = [...read('docs/errors.md').matchAll(/^## (.*)$/gm)].map((match) => match[1]);
  t.strictSame(sections, [...errorCodes]);
  t.end();
});

t.test('every section of docs/errors.md says what to do', (t) => {
  for (const section of read('docs/errors.md').split(/^## /m).slice(1)) {
    const [code] = section.split('\n');
    t.match(section, /^\*\*Typical text:\*\*/m, `${code}: text`);
    t.match(section, /^\*\*What to do:\*\*/m, `${code}: what to do`);
  }
  t.end();
});

t.test(
  'docs/commands.md, docs/schema and docs/doctor.md are what the code says: npm run docs',
  (t) => {
    for (const [name, text] of Object.entries(reference()))
      t.equal(read(`docs/${name}`), text, name);
    const files = readdirSync(join(root, 'docs/schema')).sort();
    t.strictSame(files, schemaNames.map((name) => `${name}.json`).sort());
    t.end();
  },
);

t.test(
  'every command has a section in docs/commands.md, and each line of it fits the table',
  (t) => {
    const text = read('docs/commands.md');
    const shown = commands.filter(({ hidden }) => hidden !== true);
    t.strictSame(
      [...text.matchAll(/^## (\S+)$/gm)].map((match) => match[1]).sort(),
      shown.map(({ name }) => name).sort(),
    );
    for (const [, line = ''] of text.matchAll(/^ *\$ (tsbridge .*)$/gm)) {
      const [, name, ...args] = shellWords(line.replace(/ +#.*| *\|.*/, ''));
      const command = commands.find((each) => each.name === name);
      t.ok(command, line);
      if (command !== undefined) t.doesNotThrow(() => readCommandLine(command, args), line);
    }
    t.end();
  },
);

/** Most of it is compared with what a real engine makes of it by test/lab/checks/every-command.ts. */
const observing = [
  ...['status', 'ports', 'ps', 'find', 'top', 'diff', 'publish'],
  ...['diags', 'gc', 'events', 'logs', 'metrics', 'health'],
];

t.test('every command that shows something has real output in docs/commands.md', (t) => {
  const lines = [...documentedOutputs()].filter(([, outputs]) =>
    outputs.every((text) => text !== ''),
  );
  const shown = new Set(lines.map(([line]) => line.split(' ')[0]));
  t.strictSame(
    observing.filter((name) => !shown.has(name)),
    [],
  );
  t.end();
});

t.test('every document in docs/commands.md fits its schema', (t) => {
  const documents = [...read('docs/commands.md').matchAll(/^```json\n(.*?)^```$/gms)];
  for (const [, text = ''] of documents) t.doesNotThrow(() => documentOf(text), text.slice(0, 60));
  t.end();
});

t.test('the entries of the table: examples parse, flags are described, exits are told', (t) => {
  for (const command of commands.filter(({ hidden }) => hidden !== true)) {
    const { name, examples, flags, exits, schema } = command;
    t.match(name, /^[a-z][a-z-]*$/);
    t.ok(Object.keys(exits).length > 0, `${name}: exits`);
    t.equal('json' in flags, schema !== undefined, `${name}: --json has a schema`);
    for (const [flag, { help }] of Object.entries(flags)) {
      t.match(flag, /^[a-z0-9]+(-[a-z0-9]+)*$/);
      t.match(help, /^[^A-Z\n].*[^.]$/, `${name} --${flag}: a phrase`);
    }
    for (const { line } of examples) {
      const [program, given, ...args] = shellWords(line.replace(/ *\|.*/, ''));
      t.equal(`${program} ${given}`, `tsbridge ${name}`);
      t.doesNotThrow(() => readCommandLine(command, args), line);
    }
  }
  t.end();
});
