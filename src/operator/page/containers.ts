/** Containers and networks: the picture of all, and what is known of each. */
import {
  drawGroups,
  drawTopology,
  type Group,
  groupsOf,
  readable,
  type Topology,
} from '../picture/topology.js';
import type { PageContainer, PageFacts } from './facts.js';
import { type Html, html, svgHtml } from './html.js';
import { type PageRow, tableHtml } from './table.js';

export function topologySection(facts: PageFacts): Html {
  const topology = topologyOf(facts);
  const isFolded = folds(facts);
  const picture = isFolded ? drawGroups(topology, groupsOf(topology)) : drawTopology(topology);
  const legend = isFolded
    ? 'Containers of a compose project share a box; it leads to them.'
    : 'Boxes lead to what is known of them.';
  return html`<section aria-labelledby="topology">
<h2 id="topology">Topology</h2>
<p class="quiet">Lines mean published or attached, not traffic. A solid green line: rules lead to the container; a dashed one: the
proxy carries it. ${legend}</p>
<div class="scroll" role="region" aria-label="topology" tabindex="0">${svgHtml(picture)}</div>
</section>`;
}

const folds = ({ containers, ports }: PageFacts): boolean =>
  containers.length > readable || ports.length > readable;

function topologyOf({ host, uplinks, bridges, networks, containers, ports }: PageFacts): Topology {
  return {
    title: `Interfaces, published ports, containers and networks of ${host}`,
    uplinks,
    bridges,
    networks,
    containers: containers.map(({ name, project, endpoints }) => ({
      name,
      project,
      addresses: endpoints.flatMap(({ addresses }) => addresses),
      networks: endpoints.map(({ network }) => network).filter((network) => network >= 0),
    })),
    ports: ports.map(({ label, address, to, path, container }) => ({
      ...{ label, address, path, container },
      to: `→ ${to}`,
    })),
  };
}

const titles = ['Container', 'Networks', 'Addresses', 'Interfaces', 'MAC', 'Ports'];

export function containersSection(facts: PageFacts): Html {
  const { containers } = facts;
  const all = containers.map((_, index) => index);
  const content =
    containers.length === 0
      ? html`<p>There are none.</p>`
      : folds(facts)
        ? groupsOf(topologyOf(facts)).map((group, index) => groupHtml(facts, group, index))
        : tableHtml('containers', titles, rowsOf(facts, all));
  return html`<section aria-labelledby="containers">
<h2 id="containers">Containers</h2>
${content}
</section>`;
}

/** A group of containers as an element that can be unfolded; a small group has a picture of its own. */
function groupHtml(facts: PageFacts, { title, containers }: Group, index: number): Html {
  const picture =
    containers.length > readable
      ? []
      : html`<div class="scroll" role="region" aria-label="topology of ${title}" tabindex="0">${svgHtml(
          drawTopology(partOf(facts, title, containers)),
        )}</div>`;
  const count = `${containers.length} container${containers.length === 1 ? '' : 's'}`;
  return html`<details id="group-${index}"><summary>${title}, ${count}</summary>
${picture}
${tableHtml(title, titles, rowsOf(facts, containers))}
</details>\n`;
}

/**
 * The part of a host that belongs to these containers. Links of its boxes lead to the same places as those of the whole
 * picture.
 */
function partOf(facts: PageFacts, title: string, members: readonly number[]): Topology {
  const whole = topologyOf(facts);
  const chosen = new Map(members.map((container, place) => [container, place]));
  const inPart = members.flatMap((index) => whole.containers[index] ?? []);
  const used = [...new Set(inPart.flatMap(({ networks }) => networks))].sort((a, b) => a - b);
  return {
    ...whole,
    title: `Topology of ${title}`,
    networks: used.flatMap((network) => whole.networks[network] ?? []),
    containers: inPart.map((container) => ({
      ...container,
      networks: container.networks.map((network) => used.indexOf(network)),
    })),
    ports: whole.ports.flatMap((port) => {
      const place = chosen.get(port.container);
      return place === undefined ? [] : [{ ...port, container: place }];
    }),
    at: {
      networks: used,
      containers: members,
      ports: whole.ports.flatMap((port, index) => (chosen.has(port.container) ? [index] : [])),
    },
  };
}

function rowsOf(facts: PageFacts, chosen: readonly number[]): PageRow[] {
  const published = new Map(chosen.map((index): [number, number[]] => [index, []]));
  for (const [index, { container }] of facts.ports.entries()) published.get(container)?.push(index);
  return chosen.flatMap((index) => {
    const container = facts.containers[index];
    if (container === undefined) return [];
    return [{ id: `container-${index}`, cells: cellsOf(facts, container, published.get(index)) }];
  });
}

function cellsOf(
  { networks, ports }: PageFacts,
  { name, project, endpoints }: PageContainer,
  published: readonly number[] = [],
): PageRow['cells'] {
  const lines = (words: readonly string[]): readonly Html[] =>
    words.map((each) => html`<div class="mono">${each}</div>`);
  return [
    project === undefined
      ? html`<strong>${name}</strong>`
      : html`<strong>${name}</strong><div class="quiet">project ${project}</div>`,
    endpoints.map(({ network }) => {
      const known = networks[network]?.name;
      return known === undefined
        ? html`<div>–</div>`
        : html`<div><a href="#network-${network}">${known}</a></div>`;
    }),
    lines(endpoints.flatMap(({ addresses }) => addresses)),
    lines(endpoints.map(({ veth }) => veth)),
    lines(endpoints.map(({ mac }) => mac)),
    published.map(
      (port) =>
        html`<div class="mono"><a href="#port-${port}">${ports[port]?.label ?? ''}</a></div>`,
    ),
  ];
}

export function networksSection({ networks, containers }: PageFacts): Html {
  const counts = new Map<number, number>();
  for (const { network } of containers.flatMap(({ endpoints }) => endpoints)) {
    counts.set(network, (counts.get(network) ?? 0) + 1);
  }
  const rows = networks.map(({ name, bridge, subnets, mtu, internal, state }, index) => ({
    id: `network-${index}`,
    cells: [
      html`<strong>${name}</strong>`,
      html`<span class="mono">${bridge}</span>`,
      html`<span class="mono">${subnets.join(', ')}</span>`,
      mtu ?? '–',
      internal ? 'internal' : 'outside',
      counts.get(index) ?? 0,
      state,
    ],
  }));
  const names = ['Network', 'Bridge', 'Subnets', 'MTU', 'Leads', 'Endpoints', 'State'];
  return html`<section aria-labelledby="networks">
<h2 id="networks">Networks</h2>
${rows.length === 0 ? html`<p>There are none.</p>` : tableHtml('networks', names, rows)}
</section>`;
}
