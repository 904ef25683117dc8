/** A table of items: columns are left out, the least important first, until a line fits. */
import { fit, joined, line, nothing, padded, type TerminalText, widthOf } from './fit.js';
import { defaultWidth } from './lines.js';

export interface Column<Item> {
  /** The name for `--columns` and `--sort`: lower-case words with dashes. */
  readonly key: string;
  /** The title over the column, in capitals. */
  readonly title: string;
  /** What the column shows, as a phrase for docs/commands.md and the help. */
  readonly about: string;
  /** 0: always shown. Where a line does not fit, the columns with the largest number go first. */
  readonly rank: number;
  /** true: shown with `--wide` and `--columns` only. */
  readonly wide?: boolean;
  /** true: left out while it is empty or `-` for all items, unless --wide or --columns asks for it. */
  readonly ifFilled?: true;
  readonly align?: 'left' | 'right';
  cell(item: Item): string;
  /** The value by which `--sort` orders, where the text of the cell would order wrongly. */
  order?(item: Item): number | string;
}

export interface TableWishes {
  /** Width of the terminal in characters; undefined: the output is no terminal. */
  readonly width: number | undefined;
  readonly wide: boolean;
  /** Keys of the columns to show; undefined: those that fit. */
  readonly columns: readonly string[] | undefined;
  readonly header: boolean;
}

/** Spaces between columns. */
const gap = 2;

/** Lines that end with a line break; nothing below the header if there are no items. */
export function table<Item>(
  items: readonly Item[],
  all: readonly Column<Item>[],
  { width = defaultWidth, wide, columns, header }: TableWishes,
): TerminalText {
  const chosen =
    columns?.flatMap((key) => all.filter((column) => column.key === key)) ??
    all.filter(
      (column) =>
        (wide || column.wide !== true) &&
        (column.ifFilled !== true || items.some((item) => !['', '-'].includes(column.cell(item)))),
    );
  const laid = chosen.map((column) => {
    const cells = items.map((item) => fit(column.cell(item)));
    const shown = header ? [fit(column.title), ...cells] : cells;
    // Math.max(...) would fail: a host can have more ports than a call may have arguments.
    const needed = shown.reduce((most, text) => Math.max(most, widthOf(text)), 0);
    return { column, shown, width: needed };
  });
  const kept = wide || columns !== undefined ? laid : fitting(laid, width);
  return joined(
    Array.from({ length: kept[0]?.shown.length ?? 0 }, (_, row) => {
      const cells = kept.map(({ column, shown, width }) =>
        padded(padded(shown[row] ?? nothing, width, column.align ?? 'left'), width + gap, 'left'),
      );
      return line(joined(cells));
    }),
  );
}

interface Laid {
  readonly column: { readonly rank: number };
  readonly width: number;
}

function fitting<L extends Laid>(columns: readonly L[], width: number): readonly L[] {
  const total = columns.reduce((sum, column) => sum + column.width + gap, -gap);
  if (total <= width) return columns;
  const last = Math.max(...columns.map(({ column }) => column.rank));
  if (last <= 0) return columns;
  const index = columns.findLastIndex(({ column }) => column.rank === last);
  return fitting(columns.toSpliced(index, 1), width);
}
