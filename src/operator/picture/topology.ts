/** Uplinks, published ports, containers and networks of a host as a picture; many containers are folded. Pure. */
import { drawLayers, type LayerBox, type LayerColumn, type LayerEdge } from './layers.js';
import { fragment, type SvgElement } from './svg.js';

export interface TopologyUplink {
  readonly name: string;
  readonly addresses: readonly string[];
}

export interface TopologyNetwork {
  readonly name: string;
  readonly bridge: string;
  readonly subnets: readonly string[];
  readonly internal: boolean;
}

export interface TopologyContainer {
  readonly name: string;
  readonly addresses: readonly string[];
  /** Indexes of its networks. */
  readonly networks: readonly number[];
  /** The compose project. */
  readonly project: string | undefined;
}

export interface TopologyPort {
  /** `0.0.0.0:8080/tcp`, with a range `0.0.0.0:9000-9099/udp`. */
  readonly label: string;
  readonly address: string;
  /** `→ 80` */
  readonly to: string;
  readonly path: 'dnat' | 'proxy' | 'none';
  /** Index of its container. With a number that is no index, such as -1, no line leads from the port. */
  readonly container: number;
}

export interface Topology {
  readonly title: string;
  readonly uplinks: readonly TopologyUplink[];
  /** Bridges that are not networks of tsbridge, without the interfaces on them. */
  readonly bridges?: readonly TopologyUplink[];
  readonly networks: readonly TopologyNetwork[];
  readonly containers: readonly TopologyContainer[];
  readonly ports: readonly TopologyPort[];
  /** Of a part of a host: the indexes in the whole, by which the page calls them. */
  readonly at?: {
    readonly networks: readonly number[];
    readonly containers: readonly number[];
    readonly ports: readonly number[];
  };
}

/** Boxes of one column that people still find their way in; more are folded. */
export const readable = 40;

const widths = { uplinks: 150, ports: 190, containers: 200, networks: 210 } as const;
const pathWords = {
  dnat: 'published by rules (DNAT)',
  proxy: 'published by the proxy',
  none: 'published, but nobody carries it',
} as const;
const pathKinds = { dnat: 'dnat', proxy: 'proxy', none: 'nobody' } as const;

/** Each container as a box. Each port as a box, too; if there are more than {@link readable}, they are folded. */
export function drawTopology(topology: Topology): SvgElement {
  const { containers, ports, at } = topology;
  const boxOf = (container: number) => (container in containers ? container : undefined);
  return drawn(topology, {
    containers: containers.map(({ name, addresses }, index) => ({
      title: name,
      lines: addresses,
      href: fragment('container', at?.containers[index] ?? index),
    })),
    boxOf,
    networksOf: containers.map(({ networks }) => networks),
    ports:
      ports.length > readable
        ? foldedPorts(topology, boxOf)
        : ports.map(({ label, to, address, ...port }, index) => ({
            ...port,
            addresses: [address],
            box: { title: label, lines: [to], href: fragment('port', at?.ports[index] ?? index) },
          })),
  });
}

/** Containers that are shown as one box: those of a compose project, or those without one. */
export interface Group {
  readonly title: string;
  /** Indexes. */
  readonly containers: readonly number[];
}

/**
 * Groups containers by compose project; those without a project, by network. If there are more groups than
 * {@link readable}, the largest keep a group of their own, and all others share the last one.
 */
export function groupsOf({ containers, networks }: Topology): readonly Group[] {
  const found = new Map<string, number[]>();
  for (const [index, { project, networks: own }] of containers.entries()) {
    const network = networks[own[0] ?? -1]?.name;
    const title =
      project !== undefined
        ? `project ${project}`
        : network === undefined
          ? 'without a network'
          : `on ${network}, of no project`;
    const group = found.get(title);
    if (group === undefined) found.set(title, [index]);
    else group.push(index);
  }
  const groups = [...found].map(([title, members]) => ({ title, containers: members }));
  if (groups.length <= readable) return groups;
  const bySize = [...groups].sort((a, b) => b.containers.length - a.containers.length);
  const kept = new Set(bySize.slice(0, readable - 1));
  const others = groups.filter((group) => !kept.has(group));
  return [
    ...groups.filter((group) => kept.has(group)),
    { title: `${others.length} others`, containers: others.flatMap((each) => each.containers) },
  ];
}

/** Each group of containers as a box, with its ports folded. */
export function drawGroups(topology: Topology, groups: readonly Group[]): SvgElement {
  const groupOf = new Map(
    groups.flatMap(({ containers }, group) => containers.map((each) => [each, group] as const)),
  );
  const boxOf = (container: number) => groupOf.get(container);
  return drawn(topology, {
    containers: groups.map(({ title, containers }, index) => ({
      title,
      lines: [counted(containers.length, 'container')],
      href: fragment('group', index),
    })),
    boxOf,
    networksOf: groups.map(({ containers }) => [
      ...new Set(containers.flatMap((each) => topology.containers[each]?.networks ?? [])),
    ]),
    ports: foldedPorts(topology, boxOf),
  });
}

/**
 * Folds the ports: those that lead into the same box of containers are one box if the same thing carries them (rules, the
 * proxy or nothing) and all of them, or none, are on a loopback address.
 */
function foldedPorts({ ports }: Topology, boxOf: Parts['boxOf']): Parts['ports'] {
  const folded = new Map<
    string,
    { first: TopologyPort; labels: string[]; addresses: Set<string> }
  >();
  for (const port of ports) {
    const scope = port.address.startsWith('127.') || port.address === '::1' ? 'local' : '';
    const key = `${boxOf(port.container)} ${port.path} ${scope}`;
    const same = folded.get(key);
    const { label, address } = port;
    if (same === undefined) {
      folded.set(key, { first: port, labels: [label], addresses: new Set([address]) });
    } else {
      same.labels.push(label);
      same.addresses.add(address);
    }
  }
  return [...folded.values()].map(({ first, labels, addresses }) => ({
    ...{ path: first.path, container: first.container, addresses: [...addresses] },
    box: {
      title: labels.length === 1 ? first.label : counted(labels.length, 'port'),
      lines: labels.length === 1 ? [first.to] : [labels.slice(0, 2).join(', ')],
    },
  }));
}

interface Parts {
  readonly containers: readonly LayerBox[];
  /** Index of the box of a container; undefined if it has none. */
  boxOf(container: number): number | undefined;
  readonly networksOf: readonly (readonly number[])[];
  readonly ports: readonly (Pick<TopologyPort, 'path' | 'container'> & {
    /** On which it is published; several of ports that share a box. */
    readonly addresses: readonly string[];
    readonly box: LayerBox;
  })[];
}

function drawn(topology: Topology, { containers, boxOf, networksOf, ports }: Parts): SvgElement {
  const { title, uplinks } = topology;
  const local = uplinks.findIndex(({ name }) => name === 'lo');
  const networks = networkBoxes(topology);
  const edges: LayerEdge[] = [
    ...ports.flatMap(({ addresses }, port) => {
      // One line from each interface, whatever the number of addresses that lead by it.
      const byUplink = new Map<number, string>();
      for (const address of addresses) {
        for (const uplink of uplinksOf(address, uplinks, local)) {
          if (!byUplink.has(uplink)) byUplink.set(uplink, address);
        }
      }
      return [...byUplink].map(([uplink, address]) => ({
        ...{ column: 0, from: uplink, to: port },
        words: `${address} is on ${uplinks[uplink]?.name}`,
      }));
    }),
    ...ports.flatMap(({ path, container }, port) => {
      const to = boxOf(container);
      if (to === undefined) return [];
      return [{ column: 1, from: port, to, kind: pathKinds[path], words: pathWords[path] }];
    }),
    ...networksOf.flatMap((own, container) =>
      [...new Set(own.map(networks.boxOf))].map((network) => ({
        ...{ column: 2, from: container, to: network },
        words: 'attached',
      })),
    ),
  ];
  const columns: LayerColumn[] = [
    {
      heading: 'interfaces',
      width: widths.uplinks,
      boxes: uplinks.map(({ name, addresses }) => ({ title: name, lines: addresses.slice(0, 4) })),
    },
    { heading: 'published ports', width: widths.ports, boxes: ports.map(({ box }) => box) },
    { heading: 'containers', width: widths.containers, boxes: containers },
    { heading: 'networks', width: widths.networks, boxes: networks.boxes },
  ];
  return drawLayers({ title, columns, edges, leading: 2 });
}

/**
 * Interfaces by which a port is reached. One on all addresses is reached by all but `lo`, which is drawn only for ports
 * on loopback addresses.
 */
function uplinksOf(address: string, uplinks: Topology['uplinks'], local: number): number[] {
  if (address.startsWith('127.') || address === '::1') return local === -1 ? [] : [local];
  const all = uplinks.map((_, index) => index).filter((index) => index !== local);
  if (address === '0.0.0.0' || address === '::') return all;
  return all.filter((index) =>
    uplinks[index]?.addresses.some((each) => each.split('/')[0] === address),
  );
}

/** Most boxes for bridges that are not networks of tsbridge. */
const mostOthers = 8;

/** Networks beyond {@link readable} share a box; bridges of others come behind them. */
function networkBoxes({ networks, bridges = [], at }: Topology): {
  readonly boxes: readonly LayerBox[];
  boxOf(network: number): number;
} {
  const shown = networks.length <= readable ? networks.length : readable - 1;
  const boxes: LayerBox[] = networks
    .slice(0, shown)
    .map(({ name, bridge, subnets, internal }, index) => ({
      title: internal ? `${name} (internal)` : name,
      lines: [bridge, ...subnets],
      kind: internal ? 'internal' : 'network',
      href: fragment('network', at?.networks[index] ?? index),
    }));
  const rest = networks.length - shown;
  if (rest > 0) boxes.push({ title: `${rest} other networks`, lines: [], kind: 'network' });
  const named = bridges.length <= mostOthers ? bridges : bridges.slice(0, mostOthers - 1);
  boxes.push(
    ...named.map(({ name, addresses }) => ({
      title: name,
      lines: ['bridge of others', ...addresses.slice(0, 2)],
      kind: 'others',
    })),
  );
  const left = bridges.length - named.length;
  if (left > 0) boxes.push({ title: `${left} more bridges of others`, lines: [], kind: 'others' });
  return { boxes, boxOf: (network) => Math.min(network, shown) };
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
