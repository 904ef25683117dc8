/** Text into man(7): only escaped text can be put into a page. */
import { gzipSync } from 'node:zlib';

/** Text in which roff finds no request and no escape. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(['.])/gm, '\\&$1');
}

export interface Section {
  readonly title: string;
  readonly parts: readonly Part[];
}

/** A paragraph, a preformatted block, or terms with what they mean. */
export type Part =
  | { readonly text: string }
  | { readonly verbatim: string }
  | { readonly terms: readonly (readonly [string, string])[] };

/**
 * @param epoch seconds since 1970, for the date at the foot
 * @returns the page, compressed without a time of its own
 */
export function manualPage(
  name: string,
  section: number,
  summary: string,
  epoch: number,
  version: string,
  sections: readonly Section[],
): Buffer {
  const date = new Date(epoch * 1000).toISOString().slice(0, 10);
  const lines = [
    `.TH ${escaped(name).toUpperCase()} ${section} ${date} "tsbridge ${version}"`,
    '.SH NAME',
    `${escaped(name)} \\- ${escaped(summary)}`,
    ...sections.flatMap(({ title, parts }) => [
      `.SH ${title.toUpperCase()}`,
      ...withoutFirst('.PP', parts.flatMap(lay)),
    ]),
  ];
  return gzipSync(`${lines.join('\n')}\n`, { level: 9 });
}

/** A section begins a paragraph by itself. */
const withoutFirst = (request: string, lines: readonly string[]) =>
  lines[0] === request ? lines.slice(1) : lines;

function lay(part: Part): string[] {
  if ('text' in part) return ['.PP', escaped(part.text)];
  if ('verbatim' in part) return ['.PP', '.nf', '.RS 4', escaped(part.verbatim), '.RE', '.fi'];
  return part.terms.flatMap(([term, meaning]) => ['.TP', `.B ${escaped(term)}`, escaped(meaning)]);
}
