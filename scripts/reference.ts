/**
 * Makes docs/commands.md and docs/schema/ from the table of commands, and docs/doctor.md from the registry of checks.
 * In docs/commands.md what stands between marks is replaced; the text and the output around them stay. `npm run docs`
 * writes the files; a test compares.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { documentSchema, schemaNames } from '../src/cli/schemas/all.js';
import type { Command } from '../src/cli/table/entry.js';
import { exitRows, flagRows, formRows, usageText } from '../src/cli/table/help.js';
import { commands } from '../src/cli/table.js';
import { checks } from '../src/core/doctor/checks.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const path = (name: string) => join(root, 'docs', name);

const listed = commands.filter(({ hidden }) => hidden !== true);

const cell = (text: string) => text.replaceAll('|', '\\|');

function rows(
  head: readonly [string, string],
  table: readonly (readonly [string, string])[],
): string {
  if (table.length === 0) return '';
  const lines = table.map(([left, right]) => `| \`${cell(left)}\` | ${cell(right)} |\n`);
  return `\n| ${head[0]} | ${head[1]} |\n|---|---|\n${lines.join('')}`;
}

function section(command: Command): string {
  const { name, summary, about, words, flags, examples, schema } = command;
  const beside = Object.entries(words).map(
    ([word, { help }]) => [word.toUpperCase(), help] as const,
  );
  // The daemon's flags are settings, which have a table in docs/options.md.
  const ofDaemon = name === 'daemon';
  return [
    `\n    tsbridge ${usageText(command)}\n`,
    `\n${summary[0]?.toUpperCase()}${summary.slice(1)}.\n`,
    ...about.map((text) => `\n${text}\n`),
    rows(['argument', 'is'], beside),
    ...formRows(command).map(([word, forms]) => rows([`a form of ${word}`, 'means'], forms)),
    ofDaemon ? '\nIts flags: [options.md](options.md#the-daemon).\n' : '',
    rows(['flag', 'does'], ofDaemon || Object.keys(flags).length === 0 ? [] : flagRows(command)),
    rows(['column', 'shows'], command.columns ?? []),
    rows(
      ['example', 'does'],
      examples.map(({ line, does }) => [line, does] as const),
    ),
    rows(['exit', 'means'], exitRows(command)),
    schema === undefined ? '' : `\nJSON: [schema/${schema}.json](schema/${schema}.json)\n`,
    '\n',
  ].join('');
}

/** What there is, in the order of `tsbridge --help`, each with a link to its section. */
function overview(): string {
  const lines = listed.map(({ name, summary }) => `| [${name}](#${name}) | ${cell(summary)} |\n`);
  return `\n| command | does |\n|---|---|\n${lines.join('')}\n`;
}

const begin = (name: string) => `<!-- command ${name} -->`;
const end = '<!-- /command -->';

/** File below docs/ → what it should hold, given what it holds. */
export function reference(): Readonly<Record<string, string>> {
  let text = readFileSync(path('commands.md'), 'utf8').replace(
    /(<!-- commands -->\n).*?(<!-- \/commands -->)/s,
    (_, head: string, tail: string) => `${head}${overview()}${tail}`,
  );
  for (const command of listed) {
    const start = text.indexOf(begin(command.name));
    const stop = text.indexOf(end, start);
    const whole = `${begin(command.name)}\n${section(command)}${end}`;
    text =
      start === -1 || stop === -1
        ? `${text}\n## ${command.name}\n\n${whole}\n`
        : text.slice(0, start) + whole + text.slice(stop + end.length);
  }
  const schemas = schemaNames.map((name) => {
    const schema = `${JSON.stringify(documentSchema(name), null, 2)}\n`;
    return [`schema/${name}.json`, schema] as const;
  });
  return { 'commands.md': text, 'doctor.md': doctorText(), ...Object.fromEntries(schemas) };
}

/** docs/doctor.md: its head as it is, and a section for each check. */
function doctorText(): string {
  const [head = ''] = readFileSync(path('doctor.md'), 'utf8').split(/^## /m);
  const sections = checks.map(({ code, severity, detects, means, remedy, hides, settles }) => {
    const after = settles ? ' It counts only if a second look finds it, too.' : '';
    const hidden = hides.map((each) => `[${each}](#${each})`).join(', ');
    return [
      `## ${code}\n\n**Severity:** ${severity}\n\n**Found when:** ${detects}${after}\n\n**Consequence:** ${means}\n`,
      `\n**What to do:** ${remedy}\n`,
      hides.length === 0 ? '' : `\n**Hides what follows from it:** ${hidden}\n`,
    ].join('');
  });
  return head + sections.join('\n');
}

export function writeReference(): void {
  mkdirSync(path('schema'), { recursive: true });
  for (const [name, text] of Object.entries(reference())) writeFileSync(path(name), text);
}
