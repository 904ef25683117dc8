/** Colours of the page and of pictures in it, by day and by night; a test holds each pair to its contrast. */

export interface Theme {
  readonly ink: string;
  /** Words of less weight. */
  readonly quiet: string;
  readonly ground: string;
  /** Ground of what stands out: tables' heads, boxes. */
  readonly raised: string;
  /** Edges of boxes, and lines. */
  readonly edge: string;
  readonly link: string;
  /** Published ports, packets that pass. */
  readonly good: string;
  /** What drops, errors. */
  readonly bad: string;
  /** What depends, warnings; proxied ports. */
  readonly unsure: string;
  /** Grounds of boxes of these kinds. */
  readonly network: string;
  readonly internal: string;
  readonly passed: string;
  readonly refused: string;
}

export const light: Theme = {
  ink: '#1f2328',
  quiet: '#59636e',
  ground: '#ffffff',
  raised: '#f6f8fa',
  edge: '#818b98',
  link: '#0550ae',
  good: '#116329',
  bad: '#a40e26',
  unsure: '#7d4e00',
  network: '#ddf4ff',
  internal: '#fff8c5',
  passed: '#dafbe1',
  refused: '#ffebe9',
};

export const dark: Theme = {
  ink: '#e6edf3',
  quiet: '#9198a1',
  ground: '#0d1117',
  raised: '#151b23',
  edge: '#656c76',
  link: '#79c0ff',
  good: '#56d364',
  bad: '#ffa198',
  unsure: '#e3b341',
  network: '#0c2d4b',
  internal: '#352800',
  passed: '#0f2e17',
  refused: '#3c1618',
};

/** Rules for pictures in a page or in a file of their own, by classes of this folder. */
export function pictureStyle(): readonly string[] {
  return [
    'svg text { font: 12px ui-monospace, Menlo, Consolas, monospace }',
    'svg .strong { font-weight: 600 }',
    'svg .middle { text-anchor: middle }',
    'svg path { fill: none }',
    'svg .dnat, svg .taken { stroke-width: 2 }',
    'svg .proxy { stroke-width: 2; stroke-dasharray: 6 3 }',
    'svg a:hover rect, svg a:focus-visible rect { stroke-width: 3 }',
    ...coloured(light),
    '@media (prefers-color-scheme: dark) {',
    ...coloured(dark),
    '}',
  ];
}

function coloured(theme: Theme): readonly string[] {
  return [
    `svg text { fill: ${theme.ink} }`,
    `svg .quiet { fill: ${theme.quiet} }`,
    `svg rect { fill: ${theme.raised}; stroke: ${theme.edge} }`,
    `svg path { stroke: ${theme.edge} }`,
    `svg rect.ground { fill: ${theme.ground}; stroke: none }`,
    `svg rect.network { fill: ${theme.network}; stroke: ${theme.link} }`,
    `svg rect.internal { fill: ${theme.internal}; stroke: ${theme.unsure} }`,
    `svg rect.others { fill: ${theme.ground}; stroke: ${theme.edge}; stroke-dasharray: 3 3 }`,
    `svg rect.passed { fill: ${theme.passed}; stroke: ${theme.good} }`,
    `svg rect.refused { fill: ${theme.refused}; stroke: ${theme.bad} }`,
    `svg rect.unsure { fill: ${theme.internal}; stroke: ${theme.unsure} }`,
    `svg path.dnat, svg path.taken { stroke: ${theme.good} }`,
    `svg path.proxy { stroke: ${theme.unsure} }`,
    `svg path.nobody { stroke: ${theme.bad}; stroke-dasharray: 2 4 }`,
    `svg text.bad { fill: ${theme.bad} }`,
  ];
}
