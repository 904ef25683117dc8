/** Published ports, and the way of a packet to each. */
import { pathSvg } from '../picture/path-picture.js';
import { readable } from '../picture/topology.js';
import type { PageFacts, PagePort } from './facts.js';
import { type Html, html, nothing, svgHtml } from './html.js';
import { type PageRow, tableHtml } from './table.js';

const pathWords = { dnat: 'rules', proxy: 'proxy', none: 'nobody' } as const;
const heardClass = { yes: 'good', no: 'bad', unknown: 'quiet' } as const;
const titles = ['Host port', 'Container', 'To', 'Network', 'By way of', 'Listens', 'Published by'];

export function portsSection(facts: PageFacts, served: boolean): Html {
  const { ports } = facts;
  const withReach = ports.some(({ reach }) => reach !== undefined);
  const all = withReach ? [...titles, 'Reachable from'] : titles;
  const rows = ports.map((port, index) => portRow(facts, port, index, withReach, served));
  const table =
    ports.length === 0 ? html`<p>None is published.</p>` : tableHtml('ports', all, rows);
  const folded =
    ports.length > readable
      ? html`<details><summary>All ${ports.length} of them</summary>\n${table}\n</details>`
      : table;
  const ways = ports.flatMap((port, index) => wayOf(port, index, served));
  const heading = ways.length === 0 ? nothing : html`<h3>Ways of packets to these ports</h3>`;
  const opinion = withReach
    ? html`<p class="quiet">Reachable as far as this host decides: firewalls before it are not seen.</p>`
    : nothing;
  return html`<section aria-labelledby="ports">
<h2 id="ports">Published ports</h2>
${opinion}
${folded}
${served ? form : nothing}
${heading}
${ways}
</section>`;
}

const form = html`<form action="/path" method="get">
<label>A packet from <input name="from" value="elsewhere" required maxlength="255"></label>
<label>to <input name="to" placeholder=":8080, web:80, 192.0.2.1:443" required maxlength="255"></label>
<button>What becomes of it?</button>
</form>`;

function portRow(
  { containers }: PageFacts,
  port: PagePort,
  index: number,
  withReach: boolean,
  served: boolean,
): PageRow {
  const {
    label,
    container,
    to,
    network,
    path,
    listens,
    isHeard,
    by,
    reach,
    way,
    wayOf: same,
  } = port;
  const name = containers[container]?.name;
  const toWay =
    way !== undefined
      ? html`<a href="#way-${index}">${label}</a>`
      : same !== undefined
        ? html`<a href="#way-${same}">${label}</a>`
        : served
          ? html`<a href="/path?${queryOf(port)}">${label}</a>`
          : html`${label}`;
  return {
    id: `port-${index}`,
    cells: [
      html`<span class="mono">${toWay}</span>`,
      name === undefined ? '–' : html`<a href="#container-${container}">${name}</a>`,
      html`<span class="mono">${to}</span>`,
      network,
      pathWords[path],
      html`<span class="${heardClass[isHeard]}">${listens}</span>`,
      by,
      ...(withReach ? [reach ?? ''] : []),
    ],
  };
}

function queryOf({ from, destination }: PagePort): string {
  return new URLSearchParams({ from, to: destination }).toString();
}

function wayOf(
  { label, way, from, destination }: PagePort,
  index: number,
  served: boolean,
): Html[] {
  if (way === undefined || served) return [];
  return [
    html`<details id="way-${index}"><summary>${label}</summary>
<p><code>tsbridge explain ${from} ${destination}</code></p>
<div class="scroll" role="region" aria-label="the way to ${label}" tabindex="0">${svgHtml(pathSvg(way, 'page'))}</div>
</details>\n`,
  ];
}
