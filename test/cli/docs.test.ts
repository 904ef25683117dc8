/** What the documentation lists is what the code has. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
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

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

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
