/** The way of a packet as a picture: which hooks it passes, and below each rule that decided something. Pure. */
import { pictureStyle } from './palette.js';
import { charactersIn, fitted, inLines, line, rect, text, titled } from './shapes.js';
import { element, type SvgElement, type SvgNode, svgText } from './svg.js';

/** Places of the drawing of the kernel's hooks, which is the same for all packets. */
export type Place =
  | 'in'
  | 'PREROUTING'
  | 'routing'
  | 'FORWARD'
  | 'POSTROUTING'
  | 'out'
  | 'INPUT'
  | 'host'
  | 'OUTPUT';

export interface PathStage {
  /** `nat PREROUTING`, `conntrack`, `routing`. */
  readonly title: string;
  /** What was decided here and by which rule, a line each; none: nothing. */
  readonly decided: readonly string[];
  readonly outcome: 'passed' | 'refused' | 'unsure';
}

export interface PathWay {
  /** Where the ways of another packet begin, such as the reply: that packet in one line. */
  readonly heading?: string;
  /** What has to hold for the packet to go this way; none: it always does. */
  readonly conditions: readonly string[];
  /** In order. */
  readonly places: readonly Place[];
  readonly stages: readonly PathStage[];
  readonly end: { readonly outcome: PathStage['outcome']; readonly words: string };
}

export interface PathPicture {
  /** The packet in one line. */
  readonly title: string;
  readonly ways: readonly PathWay[];
}

const width = 780;
const margin = 14;
const lineHeight = 17;
/** Lines that the words of one rule take at most; the whole text is told when a pointer rests on it. */
const mostLines = 3;

const cell = { width: 117, height: 30, gap: 10, row: 46 } as const;
const spots: Readonly<Record<Place, readonly [column: number, row: number]>> = {
  in: [0, 0],
  PREROUTING: [1, 0],
  routing: [2, 0],
  FORWARD: [3, 0],
  POSTROUTING: [4, 0],
  out: [5, 0],
  INPUT: [2, 1],
  host: [3, 1],
  OUTPUT: [4, 1],
};
/** Whether a word of `tsbridge explain` for a hook is a place in the drawing of hooks, which has the same words. */
export const isPlace = (word: string): word is Place => Object.hasOwn(spots, word);

const arrows: readonly (readonly [Place, Place])[] = [
  ['in', 'PREROUTING'],
  ['PREROUTING', 'routing'],
  ['routing', 'FORWARD'],
  ['FORWARD', 'POSTROUTING'],
  ['POSTROUTING', 'out'],
  ['routing', 'INPUT'],
  ['INPUT', 'host'],
  ['host', 'OUTPUT'],
  ['OUTPUT', 'POSTROUTING'],
];
const placeWords: Readonly<Partial<Record<Place, string>>> = {
  in: 'arrives',
  out: 'leaves',
  host: 'this host',
};

/** As a file of its own. */
export function pathFile(picture: PathPicture): string {
  return svgText(pathSvg(picture, 'file'));
}

/** @param into `page`: the colours come from the page's style sheet */
export function pathSvg({ title, ways }: PathPicture, into: 'page' | 'file'): SvgElement {
  const nodes: SvgNode[] = [element('title', {}, [title])];
  if (into === 'file') nodes.push(element('style', {}, pictureStyle()));
  const body: SvgNode[] = [text(margin, margin + 12, fitted(title, width - margin * 2), 'strong')];
  let top = margin + 30;
  for (const [index, way] of ways.entries()) {
    if (ways.length > 1) {
      const heading = `Way ${index + 1}${way.heading === undefined ? '' : `: ${way.heading}`}`;
      body.push(text(margin, top + 12, fitted(heading, width - margin * 2), 'strong'));
      top += lineHeight + 4;
    }
    const drawn = drawWay(way, top);
    body.push(...drawn.nodes);
    top = drawn.bottom + margin;
  }
  nodes.push(rect(0, 0, width, top, 'ground'), ...body);
  return element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      role: 'img',
      'aria-label': title,
      ...{ width, height: top, viewBox: `0 0 ${width} ${top}` },
    },
    nodes,
  );
}

interface Drawn {
  readonly nodes: readonly SvgNode[];
  readonly bottom: number;
}

function drawWay(way: PathWay, top: number): Drawn {
  const nodes: SvgNode[] = [];
  let y = top;
  for (const condition of way.conditions) {
    for (const words of inLines(condition, charactersIn(width - margin * 2), mostLines)) {
      nodes.push(text(margin, y + 12, words, 'quiet'));
      y += lineHeight;
    }
  }
  nodes.push(...drawMap(way, y + 6));
  y += 6 + cell.row * 2;
  for (const stage of way.stages) {
    const drawn = drawStage(stage, y);
    nodes.push(...drawn.nodes);
    y = drawn.bottom;
  }
  const end = drawBox(way.end.words, [], way.end.outcome, y);
  return { nodes: [...nodes, ...end.nodes], bottom: end.bottom };
}

function drawMap({ places, end }: PathWay, top: number): SvgNode[] {
  const corner = (place: Place): readonly [number, number] => {
    const [column, row] = spots[place];
    return [margin + column * (cell.width + cell.gap), top + row * cell.row];
  };
  const taken = new Set(places.slice(1).map((place, index) => `${places[index]} ${place}`));
  const last = places.at(-1);
  return [
    ...arrows.map(([from, to]) => {
      const isTaken = taken.has(`${from} ${to}`);
      return line(between(corner(from), corner(to)), isTaken ? 'taken' : undefined);
    }),
    ...(Object.keys(spots) as Place[]).flatMap((place) => {
      const [x, y] = corner(place);
      const kind = place === last ? end.outcome : places.includes(place) ? 'passed' : undefined;
      const words = placeWords[place] ?? place;
      return [
        rect(x, y, cell.width, cell.height, kind),
        text(x + cell.width / 2, y + 19, words, kind === undefined ? 'middle quiet' : 'middle'),
      ];
    }),
  ];
}

/** From the middle of one cell's edge to that of its neighbour. */
function between([x, y]: readonly [number, number], [toX, toY]: readonly [number, number]): string {
  const middle = cell.height / 2;
  if (y === toY) return `M${x + cell.width} ${y + middle} H${toX}`;
  const column = x + cell.width / 2;
  return toY > y
    ? `M${column} ${y + cell.height} V${toY}`
    : `M${column} ${y} V${toY + cell.height}`;
}

function drawStage({ title, decided, outcome }: PathStage, top: number): Drawn {
  const box = drawBox(title, decided, outcome, top);
  const middle = margin + 20;
  return {
    nodes: [...box.nodes, line(`M${middle} ${box.bottom - 8} v8`, 'taken')],
    bottom: box.bottom,
  };
}

function drawBox(
  title: string,
  words: readonly string[],
  outcome: PathStage['outcome'],
  top: number,
): Drawn {
  const inner = charactersIn(width - margin * 4);
  const heads = inLines(title, inner, mostLines);
  const lines = [...heads, ...words.flatMap((each) => inLines(each, inner, mostLines))];
  const height = 12 + lines.length * lineHeight;
  const texts = lines.map((each, index) =>
    text(margin * 2, top + 18 + index * lineHeight, each, index < heads.length ? 'strong' : ''),
  );
  const box = rect(margin, top, width - margin * 2, height, outcome);
  return {
    nodes: [titled([title, ...words].join(' · '), box, ...texts)],
    bottom: top + height + 8,
  };
}
