/** Boxes in columns with curves between them, as topologies are drawn. The columns are given; the order in them is found. */
import { fitted, line, rect, text, titled } from './shapes.js';
import { element, type Fragment, type SvgElement, type SvgNode } from './svg.js';

export interface LayerBox {
  readonly title: string;
  readonly lines: readonly string[];
  /** A class of palette.ts. */
  readonly kind?: string;
  /** Place in the page that tells more of what the box stands for. */
  readonly href?: Fragment;
}

export interface LayerColumn {
  readonly heading: string;
  readonly width: number;
  readonly boxes: readonly LayerBox[];
}

/** From a box of one column to a box of the next, by their indexes. */
export interface LayerEdge {
  readonly column: number;
  readonly from: number;
  readonly to: number;
  /** A class of palette.ts. */
  readonly kind?: string;
  readonly words: string;
}

export interface Layers {
  readonly title: string;
  readonly columns: readonly LayerColumn[];
  readonly edges: readonly LayerEdge[];
  /** Index of the column that is ordered first; the order of the others follows from its order. */
  readonly leading: number;
}

const margin = 12;
const gap = 10;
const between = 70;
const headHeight = 30;
const lineHeight = 16;
const padding = 9;

export function drawLayers({ title, columns, edges, leading }: Layers): SvgElement {
  const tops = placed(columns, neighboursBy(edges), leading);
  const lefts = columns.map(
    (_, index) =>
      margin + columns.slice(0, index).reduce((sum, each) => sum + each.width + between, 0),
  );
  const width = (lefts.at(-1) ?? 0) + (columns.at(-1)?.width ?? 0) + margin;
  const bottoms = columns.flatMap(({ boxes }, column) =>
    boxes.map((box, index) => (tops[column]?.[index] ?? 0) + heightOf(box)),
  );
  // Math.max(...bottoms) would fail: a host may have more boxes than a call may have arguments.
  const height = bottoms.reduce((most, each) => Math.max(most, each), headHeight + 40) + margin;
  const middle = (column: number, index: number): number => {
    const box = columns[column]?.boxes[index];
    return (tops[column]?.[index] ?? 0) + (box === undefined ? 0 : heightOf(box) / 2);
  };
  const curves = edges.map(({ column, from, to, kind, words }) => {
    const x = (lefts[column] ?? 0) + (columns[column]?.width ?? 0);
    const [y, toX, toY] = [middle(column, from), lefts[column + 1] ?? 0, middle(column + 1, to)];
    const half = (toX - x) / 2;
    const d = `M${x} ${y} C${x + half} ${y} ${toX - half} ${toY} ${toX} ${toY}`;
    return titled(words, line(d, kind));
  });
  const boxes = columns.flatMap(({ heading, width: own, boxes: inColumn }, column) => [
    text(lefts[column] ?? 0, margin + 12, heading, 'quiet'),
    ...inColumn.map((box, index) =>
      drawBox(box, lefts[column] ?? 0, tops[column]?.[index] ?? 0, own),
    ),
  ]);
  const nodes: SvgNode[] = [
    element('title', {}, [title]),
    rect(0, 0, width, height, 'ground'),
    ...curves,
    ...boxes,
  ];
  const size = { width, height, viewBox: `0 0 ${width} ${height}` };
  return element(
    'svg',
    { xmlns: 'http://www.w3.org/2000/svg', role: 'group', 'aria-label': title, ...size },
    nodes,
  );
}

function heightOf({ lines }: LayerBox): number {
  return padding * 2 + 12 + lines.length * lineHeight;
}

function drawBox(
  { title, lines, kind, href }: LayerBox,
  x: number,
  y: number,
  width: number,
): SvgElement {
  const inner = width - padding * 2;
  const box = titled(
    [title, ...lines].join(' · '),
    rect(x, y, width, heightOf({ title, lines }), kind),
    text(x + padding, y + padding + 10, fitted(title, inner), 'strong'),
    ...lines.map((each, index) =>
      text(x + padding, y + padding + 10 + (index + 1) * lineHeight, fitted(each, inner), 'quiet'),
    ),
  );
  return href === undefined ? box : element('a', { href }, [box]);
}

/** The upper edge of each box, by column and index. */
function placed(
  columns: readonly LayerColumn[],
  neighbours: Neighbours,
  leading: number,
): readonly (readonly number[])[] {
  const ranks = ranked(columns, neighbours, leading);
  const tops = columns.map(({ boxes }) => boxes.map(() => 0));
  const order = [leading, ...outward(columns.length, leading)];
  for (const column of order) {
    const boxes = columns[column]?.boxes ?? [];
    const rows = boxes.map((_, index) => index).sort((a, b) => rank(a) - rank(b) || a - b);
    function rank(index: number): number {
      return ranks[column]?.[index] ?? 0;
    }
    let free = headHeight;
    for (const index of rows) {
      const box = boxes[index];
      if (box === undefined) continue;
      const wished = column === leading ? free : wish(column, index, box);
      const top = Math.max(free, wished);
      (tops[column] as number[])[index] = top;
      free = top + heightOf(box) + gap;
    }
  }
  return tops;

  /** Beside the middle of its neighbours in the column that was placed before. */
  function wish(column: number, index: number, box: LayerBox): number {
    const toward = column < leading ? column + 1 : column - 1;
    const middles = neighbours(column, index, toward).map((each) => {
      const other = columns[toward]?.boxes[each];
      return (tops[toward]?.[each] ?? 0) + (other === undefined ? 0 : heightOf(other) / 2);
    });
    return Math.round((mean(middles) ?? 0) - heightOf(box) / 2);
  }
}

/**
 * Ranks boxes, so that few curves cross (barycentres, as in layered drawings of graphs): a box by the mean rank of its neighbours
 * in the next column toward the leading one; boxes of the leading column, once, by their neighbours in the column behind it.
 */
function ranked(
  columns: readonly LayerColumn[],
  neighbours: Neighbours,
  leading: number,
): readonly (readonly number[])[] {
  const ranks = columns.map(({ boxes }) => boxes.map((_, index) => index));
  const settle = (column: number, toward: number): void => {
    const own = ranks[column] ?? [];
    const means = own.map(
      (rank, index) =>
        mean(neighbours(column, index, toward).map((each) => ranks[toward]?.[each] ?? 0)) ?? rank,
    );
    const sorted = means.map((_, index) => index);
    sorted.sort((a, b) => (means[a] ?? 0) - (means[b] ?? 0) || a - b);
    for (const [place, index] of sorted.entries()) own[index] = place;
  };
  const sides = outward(columns.length, leading);
  for (const column of sides) settle(column, column < leading ? column + 1 : column - 1);
  if (leading + 1 < columns.length) settle(leading, leading + 1);
  for (const column of sides) settle(column, column < leading ? column + 1 : column - 1);
  return ranks;
}

/** Indexes of all columns but the leading one, the nearest to it first. */
function outward(count: number, leading: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
    .filter((index) => index !== leading)
    .sort((a, b) => Math.abs(a - leading) - Math.abs(b - leading));
}

/** Indexes of the boxes in column `toward`, beside this one, to which a box has curves. */
type Neighbours = (column: number, index: number, toward: number) => readonly number[];

/** By an index that is made once: a host may have tens of thousands of edges, and as many boxes that ask for neighbours. */
function neighboursBy(edges: readonly LayerEdge[]): Neighbours {
  const known = new Map<string, number[]>();
  const add = (key: string, neighbour: number): void => {
    const list = known.get(key);
    if (list === undefined) known.set(key, [neighbour]);
    else list.push(neighbour);
  };
  for (const { column, from, to } of edges) {
    add(`${column} ${from} ${column + 1}`, to);
    add(`${column + 1} ${to} ${column}`, from);
  }
  return (column, index, toward) => known.get(`${column} ${index} ${toward}`) ?? [];
}

function mean(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
