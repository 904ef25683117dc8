/** Figures → text for people, Markdown for docs/performance.md, and back for comparison. */
import type { Figure } from './figure.js';

const widths = [46, 14, 14, 11, 12] as const;

export const header = line(['', 'built-in', 'tsbridge', 'ratio', 'must reach']);

/** `network create    55.3 ms    39.6 ms    1.40 ×    3 ×  missed` */
export function tableLine(found: Figure, committed?: number): string {
  const verdict = found.met === undefined ? '' : found.met ? '  reached' : '  MISSED';
  const note = found.note === undefined ? '' : `  (${found.note})`;
  return line(cells(found)) + verdict + was(found, committed) + note;
}

function was({ tsbridge, unit }: Figure, committed: number | undefined): string {
  if (committed === undefined) return '';
  const change = committed === 0 ? '' : ` (${signed((tsbridge / committed - 1) * 100)} %)`;
  return `  committed: ${amount(committed)} ${unit}${change}`;
}

const signed = (value: number): string => `${value < 0 ? '' : '+'}${value.toFixed(0)}`;

function line(words: readonly string[]): string {
  return words
    .map((word, index) =>
      index === 0 ? word.padEnd(widths[0]) : word.padStart(widths[index] ?? 0),
    )
    .join('');
}

function cells({ row, unit, builtIn, tsbridge, ratio, target }: Figure): string[] {
  const wanted =
    target === undefined
      ? ''
      : target.kind === 'ratio'
        ? `≥ ${target.atLeast} ×`
        : `≤ ${target.atMost} ${unit}`.trim();
  return [
    row,
    builtIn === undefined ? '–' : `${amount(builtIn)} ${unit}`.trim(),
    `${amount(tsbridge)} ${unit}`.trim(),
    ratio === undefined ? '–' : `${ratio.toFixed(2)} ×`,
    wanted,
  ];
}

function amount(value: number): string {
  return Number.isInteger(value) || Math.abs(value) >= 1000
    ? value.toFixed(0)
    : value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

const titles = '| row | built-in | tsbridge | ratio | must reach |';

/** A table as it can stand in docs/performance.md below a heading that names the engine. */
export function markdown(figures: readonly Figure[]): string {
  const rows = figures.map((found) => `| ${cells(found).join(' | ')} |`);
  return [titles, '|---|---|---|---|---|', ...rows].join('\n');
}

/**
 * What docs/performance.md says of tsbridge for an engine: row → value. The table is the first one
 * with our columns after a heading with `Docker VERSION`, of which major and minor count.
 */
export function committedFigures(text: string, engine: string): Map<string, number> {
  const version = engine.split('.').slice(0, 2).join('.');
  const found = new Map<string, number>();
  let section = false;
  let table = false;
  for (const each of text.split('\n')) {
    if (each.startsWith('#')) {
      if (found.size > 0) break;
      section = each.includes(`Docker ${version}`);
      table = false;
    } else if (section && each.trim() === titles) table = true;
    else if (table && each.startsWith('|')) {
      const [, row, , value] = each.split('|').map((cell) => cell.trim());
      const number = Number.parseFloat(value ?? '');
      if (row && !Number.isNaN(number)) found.set(row, number);
    } else table = false;
  }
  return found;
}
