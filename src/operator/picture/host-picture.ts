/** A host with its networks as a picture: bridges, containers, and what is published. Pure. */
import { fitted as cut, rect, text } from './shapes.js';
import { element, type SvgElement, type SvgNode, svgText } from './svg.js';

export interface PictureContainer {
  readonly name: string;
  readonly addresses: readonly string[];
  /** The host's end of its veth pair. */
  readonly veth: string;
  /** `8080 → 80/tcp`, one for each published port or run of ports. */
  readonly ports: readonly string[];
}

export interface PictureNetwork {
  readonly name: string;
  readonly bridge: string;
  /** The bridge's addresses with their prefix lengths. */
  readonly addresses: readonly string[];
  /** No way out, and no published ports. */
  readonly internal: boolean;
  readonly containers: readonly PictureContainer[];
}

export interface HostPicture {
  readonly title: string;
  /** Interface and address by which others reach the host: `eth0 192.0.2.10`. */
  readonly uplink: string;
  readonly networks: readonly PictureNetwork[];
}

const box = { width: 190, line: 17, padding: 10 } as const;
const gap = 16;
/** Containers beside each other in a network; more of them begin a new row. */
const perRow = 3;
/** Lines of ports in a container; the rest is counted. */
const maxPorts = 4;
const barHeight = 44;
/** Height between the uplink and the bridges, where the rules are written. */
const rulesHeight = 74;

const style = [
  'text { font: 12px ui-monospace, monospace; fill: #1f2328 }',
  '.strong { font-weight: 600 }',
  '.quiet { fill: #59636e }',
  '.middle { text-anchor: middle }',
  'rect { fill: #ffffff; stroke: #59636e }',
  '.host { fill: #f6f8fa }',
  '.bridge { fill: #ddf4ff; stroke: #0969da }',
  '.internal { fill: #fff8c5; stroke: #9a6700 }',
  'path { stroke: #59636e; fill: none }',
  '.published { stroke: #1a7f37; stroke-width: 2 }',
  '.isolated { stroke: #cf222e; stroke-dasharray: 4 3 }',
  '@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .quiet { fill: #9198a1 }',
  ' rect { fill: #0d1117; stroke: #9198a1 } .host { fill: #151b23 }',
  ' .bridge { fill: #0c2d6b; stroke: #4493f8 } .internal { fill: #3d2e00; stroke: #d29922 }',
  ' path { stroke: #9198a1 } .published { stroke: #3fb950 } .isolated { stroke: #f85149 } }',
];

/** The picture as an SVG file. */
export function drawHost({ title, uplink, networks }: HostPicture): string {
  const widths = networks.map(networkWidth);
  const inner = Math.max(
    box.width * 2,
    widths.reduce((sum, width) => sum + width + gap * 2, -gap * 2),
  );
  const width = inner + gap * 4;
  const bridgeTop = gap + barHeight + rulesHeight;
  const below = Math.max(gap * 7, ...networks.map(containersHeight));
  const height = bridgeTop + barHeight + below + gap;
  const nodes: SvgNode[] = [
    element('title', {}, [title]),
    element('style', {}, style),
    rect(gap, gap * 2, width - gap * 2, height - gap * 3, 'host'),
    rect(gap * 2, gap, inner, barHeight),
    text(gap * 2 + box.padding, gap + 18, uplink, 'strong'),
    text(gap * 2 + box.padding, gap + 35, 'other hosts reach published ports here', 'quiet'),
  ];
  let left = gap * 2;
  networks.forEach((network, index) => {
    const own = widths[index] ?? 0;
    nodes.push(...drawNetwork(network, left, own, bridgeTop));
    if (index > 0) nodes.push(...isolation(left, bridgeTop));
    left += own + gap * 2;
  });
  const size = { width, height, viewBox: `0 0 ${width} ${height}` };
  return svgText(
    element('svg', { xmlns: 'http://www.w3.org/2000/svg', role: 'img', ...size }, nodes),
  );
}

function drawNetwork(
  { name, bridge, addresses, internal, containers }: PictureNetwork,
  left: number,
  width: number,
  top: number,
): SvgNode[] {
  const middle = left + width / 2;
  const rules = internal
    ? ['internal: nothing passes', 'from or to the outside']
    : ['DNAT of published ports,', 'MASQUERADE of what leaves'];
  const published = containers.some(({ ports }) => ports.length > 0) && !internal;
  const nodes: SvgNode[] = rules.map((line, row) =>
    text(middle + 10, top - rulesHeight + 34 + row * box.line, line, 'quiet'),
  );
  if (!internal) nodes.push(line([middle, top - rulesHeight], [middle, top], published));
  nodes.push(
    rect(left, top, width, barHeight, internal ? 'internal' : 'bridge'),
    text(left + box.padding, top + 18, fitted(`${name}: bridge ${bridge}`, width), 'strong'),
    text(left + box.padding, top + 35, fitted(addresses.join(', '), width)),
  );
  containers.forEach((container, index) => {
    const x = left + (index % perRow) * (box.width + gap);
    const y = top + barHeight + gap * 2 + rowTop(containers, Math.floor(index / perRow));
    nodes.push(...drawContainer(container, x, y, index < perRow));
  });
  return nodes;
}

function drawContainer(
  { name, addresses, veth, ports }: PictureContainer,
  x: number,
  y: number,
  first: boolean,
): SvgNode[] {
  const shown = shownPorts(ports);
  const lines = [...addresses, ...shown];
  const middle = x + box.width / 2;
  return [
    ...(first ? [line([middle, y - gap * 2], [middle, y], ports.length > 0)] : []),
    text(middle + 6, y - 6, fitted(veth, box.width / 2 + box.padding), 'quiet'),
    rect(x, y, box.width, boxHeight({ addresses, ports })),
    text(x + box.padding, y + 20, fitted(name, box.width), 'strong'),
    ...lines.map((each, index) =>
      text(x + box.padding, y + 20 + (index + 1) * box.line, fitted(each, box.width)),
    ),
  ];
}

/** What stands between two networks: a wall that no packet of one passes into the other. */
function isolation(left: number, top: number): SvgNode[] {
  const x = left - gap;
  const label = top - rulesHeight + 18;
  return [
    text(x, label, 'isolated', 'middle quiet'),
    element('path', { class: 'isolated', d: `M${x} ${label + 6} V${top + barHeight + gap * 5}` }),
  ];
}

function shownPorts(ports: readonly string[]): string[] {
  if (ports.length <= maxPorts) return [...ports];
  return [...ports.slice(0, maxPorts - 1), `and ${ports.length - maxPorts + 1} more`];
}

function boxHeight({ addresses, ports }: Pick<PictureContainer, 'addresses' | 'ports'>): number {
  return 30 + (addresses.length + shownPorts(ports).length) * box.line;
}

/** How far below the first row of containers a row begins. */
function rowTop(containers: readonly PictureContainer[], row: number): number {
  let top = 0;
  for (let each = 0; each < row; each += 1) {
    const boxes = containers.slice(each * perRow, (each + 1) * perRow);
    top += Math.max(...boxes.map(boxHeight)) + gap * 2;
  }
  return top;
}

function containersHeight({ containers }: PictureNetwork): number {
  return gap * 2 + rowTop(containers, Math.ceil(containers.length / perRow));
}

function networkWidth({ containers }: PictureNetwork): number {
  const columns = Math.min(perRow, Math.max(2, containers.length));
  return columns * box.width + (columns - 1) * gap;
}

/** Cut to what fits into a box of this width. */
const fitted = (words: string, width: number): string => cut(words, width - box.padding * 2);

type Point = readonly [x: number, y: number];

function line([x, y]: Point, [toX, toY]: Point, published: boolean): SvgElement {
  const d = `M${x} ${y} L${toX} ${toY}`;
  return element('path', { d, ...(published ? { class: 'published' } : {}) });
}
