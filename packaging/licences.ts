/** Whose work is in the packages, and under which terms: Debian's machine-readable copyright file. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.js';
import type { BundledProgram } from './swarm-plugin.js';

/** A package of npm that is in the bundle or beside it. */
export interface Dependency {
  readonly name: string;
  readonly version: string;
  readonly folder: string;
  /** As the package states it: an SPDX expression. */
  readonly licence: string;
  readonly integrity: string | undefined;
}

/** All packages that are needed at run time, by name and version; binaries for other machines are not. */
export async function runtimeDependencies(root: string): Promise<Dependency[]> {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { integrity?: string }>;
  };
  const listing = await run('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: root });
  const folders = [...new Set(listing.split('\n').slice(1).filter(Boolean))];
  return folders
    .map((folder): Dependency => {
      const { name, version, license } = JSON.parse(
        readFileSync(join(folder, 'package.json'), 'utf8'),
      ) as { name: string; version: string; license?: string };
      const integrity = lock.packages[folder.slice(root.length + 1)]?.integrity;
      return { name, version, folder, licence: license ?? 'NOASSERTION', integrity };
    })
    .filter(({ name }) => !/-(linux|darwin|win32)-/.test(name))
    .sort((a, b) => (a.name === b.name ? compare(a.version, b.version) : compare(a.name, b.name)));
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** The text of a package's licence, from its own file. */
function licenceOf({ name, folder, licence }: Dependency): string {
  const file = readdirSync(folder).find((entry) => /^(licen[cs]e|copying)/i.test(entry));
  if (file !== undefined) return readFileSync(join(folder, file), 'utf8');
  const readme = readdirSync(folder).find((entry) => /^readme/i.test(entry));
  const text = readme === undefined ? '' : readFileSync(join(folder, readme), 'utf8');
  const section = /^#+\s*licen[cs]e\b[\s\S]*?(?=^#|Z)/im.exec(text)?.[0];
  return section ?? `${name} states its licence as ${licence} and has no text of it.`;
}

/** @param runtimeLicence the file with the licences of Node.js and of all that is linked into it */
export function licenceTexts(
  root: string,
  dependencies: readonly Dependency[],
  runtimeLicence: string,
  program: BundledProgram,
): string {
  const own = readFileSync(join(root, 'LICENSE'), 'utf8');
  const stanzas = dependencies.map((dependency) => ({
    files: `${dependency.name} ${dependency.version}`,
    licence: dependency.licence,
    text: licenceOf(dependency),
  }));
  if (!existsSync(runtimeLicence)) throw new Error(`no ${runtimeLicence}`);
  stanzas.push({
    files: 'Node.js (usr/lib/tsbridge/bin/node)',
    licence: 'MIT and others',
    text: readFileSync(runtimeLicence, 'utf8'),
  });
  stanzas.push({
    files: `${program.name} ${program.version} (usr/lib/tsbridge/swarm-plugin/rootfs/busybox)`,
    licence: 'GPL-2',
    text: `A package of Debian's, unchanged; its source is Debian's source package busybox of this version.\n\n${program.terms}`,
  });
  const header = [
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/',
    'Upstream-Name: tsbridge',
    'Comment: Bundled into one program; each part below names its own terms.',
    '',
    'Files: *',
    'Copyright: the tsbridge authors',
    'License: Apache-2.0',
    indent(own),
  ];
  const rest = stanzas.flatMap(({ files, licence, text }, index) => [
    '',
    `Files: part-${index + 1}`,
    `Comment: ${files}`,
    `Copyright: ${copyrightOf(text)}`,
    `License: ${licence.replaceAll(' ', '-')}`,
    indent(text),
  ]);
  return `${[...header, ...rest].join('\n')}\n`;
}

function copyrightOf(text: string): string {
  const line = text.split('\n').find((each) => /copyright/i.test(each) && /\d{4}/.test(each));
  return line?.replace(/^[\s*#/"]+/, '').trim() ?? 'see the text';
}

/** A field of several lines: each begins with a space, and an empty one is a dot. */
function indent(text: string): string {
  return text
    .trimEnd()
    .split(/\r?\n/)
    .map((line) => (line.trim() === '' ? ' .' : ` ${line.replaceAll('\t', '  ').trimEnd()}`))
    .join('\n');
}
