/** Turns networks, endpoints and ports of the inventory into what the page shows of them. */
import type { PageContainer, PageNetwork, PagePort } from '../../operator/page/facts.js';
import { containerText, networkText } from '../commands/labels.js';
import { listensText, reachText } from '../commands/look/inventory/ports.js';
import { foldPorts, type PortRow } from '../inventory/fold.js';
import type { EndpointItem, NetworkItem, PortItem } from '../schemas/inventory.js';

export interface PageInventory {
  readonly networks: readonly PageNetwork[];
  readonly containers: readonly PageContainer[];
  readonly ports: readonly PagePort[];
}

/** @param endpoints in the order in which their containers are shown */
export function pageInventory(
  networks: readonly NetworkItem[],
  endpoints: readonly EndpointItem[],
  ports: readonly PortItem[],
): PageInventory {
  const networkIndex = new Map(networks.map(({ id }, index) => [id, index]));
  const containers: (PageContainer & { readonly key: string })[] = [];
  const indexes = new Map<string, number>();
  for (const endpoint of endpoints) {
    const { container, network, addresses, mac, veth } = endpoint;
    const key = container?.id ?? endpoint.endpoint;
    const place = networkIndex.get(network.id) ?? -1;
    const own = { network: place, addresses, mac, veth };
    const known = indexes.get(key);
    const before = known === undefined ? undefined : containers[known];
    if (known !== undefined && before !== undefined) {
      containers[known] = { ...before, endpoints: [...before.endpoints, own] };
    } else {
      indexes.set(key, containers.length);
      const project = container?.compose?.project;
      containers.push({ key, name: containerText(endpoint), project, endpoints: [own] });
    }
  }
  return {
    networks: networks.map(({ id, name, bridge, subnets, mtu, internal, state }) => ({
      name: name ?? id.slice(0, 12),
      ...{ bridge, subnets, mtu, internal, state },
    })),
    containers: containers.map(({ name, project, endpoints }) => ({ name, project, endpoints })),
    ports: foldPorts(ports).map((port) => ({
      ...portWords(port),
      container: indexes.get(port.container?.id ?? port.endpoint) ?? -1,
    })),
  };
}

function portWords(port: PortRow): Omit<PagePort, 'container'> {
  const { host, to, through, protocol, path, publishedBy, listening, reach } = port;
  const bare = host.address.includes(':') ? `[${host.address}]` : host.address;
  const isAny = host.address === '0.0.0.0' || host.address === '::';
  const isLocal = host.address.startsWith('127.') || host.address === '::1';
  return {
    address: host.address,
    label: `${bare}:${host.port}${through === undefined ? '' : `-${through.host}`}/${protocol}`,
    to: `:${to.port}${through === undefined ? '' : `-${through.to}`}`,
    network: networkText(port),
    path,
    by: publishedBy,
    listens: listensText(listening),
    isHeard: listening.state === 'unknown' ? 'unknown' : listening.state === 'yes' ? 'yes' : 'no',
    reach: reach === null ? undefined : reachText(reach),
    way: undefined,
    from: isLocal ? 'host' : 'elsewhere',
    destination: `${isAny ? '' : bare}:${host.port}/${protocol}`,
    family: host.family,
  };
}
