/**
 * Series for single networks and endpoints. Their names are labels, and there are as many as the host has containers,
 * so that they are made only with --metrics-per-network and --metrics-per-endpoint.
 */
import { shortId } from '../../core/names.js';
import type { Direction } from '../../core/network/limits.js';
import type { EndpointState, NetworkState } from '../../driver/state/registry.js';
import { limitsOfEndpoint } from '../../driver/usecases/limits.js';
import { Yielding } from '../../yielding.js';
import type { Collectors, Labels, Sample } from './collectors.js';
import type { LinkTotals, MetricSources } from './sources.js';

const mostNetworks = 200;
const mostEndpoints = 1_000;
/** Labels of the series in which the networks beyond {@link mostNetworks} are added up. */
const others: Labels = { network: 'other', bridge: 'other' };

type Sources = Pick<MetricSources, 'registry' | 'names' | 'links'>;

/** The oldest networks have series of their own, so that a new network takes no other one's away. */
export function addNetworks(add: Collectors, { registry, names }: Sources): void {
  const byNetwork = (count: (network: NetworkState) => number) => (): Sample[] => {
    const networks = registry.networks();
    const samples = networks
      .slice(0, mostNetworks)
      .map((state): Sample => [labelsOf(names?.(), state), count(state)]);
    const rest = networks.slice(mostNetworks);
    if (rest.length === 0) return samples;
    return [...samples, [others, rest.reduce((sum, state) => sum + count(state), 0)]];
  };
  add.gauge(
    'tsbridge_network_endpoints',
    'With --metrics-per-network: endpoints of a network.',
    ['network', 'bridge'],
    byNetwork(({ endpoints }) => endpoints.size),
  );
  add.gauge(
    'tsbridge_network_published_ports',
    'With --metrics-per-network: published host ports of a network.',
    ['network', 'bridge'],
    byNetwork(({ endpoints }) => {
      let ports = 0;
      for (const { record } of endpoints.values()) {
        ports += record.bindings.length;
        for (const { bindings } of record.added) ports += bindings.length;
      }
      return ports;
    }),
  );
}

/**
 * Series and the counters of the host's end that they show: what the container receives is what the host's end sends.
 */
const directions = [
  ['receive', 'bytes', 'Bytes', ({ sentBytes }) => sentBytes],
  ['receive', 'packets', 'Packets', ({ sentPackets }) => sentPackets],
  ['receive', 'drops', 'Dropped packets', ({ sentDrops }) => sentDrops],
  ['transmit', 'bytes', 'Bytes', ({ receivedBytes }) => receivedBytes],
  ['transmit', 'packets', 'Packets', ({ receivedPackets }) => receivedPackets],
  ['transmit', 'drops', 'Dropped packets', ({ receivedDrops }) => receivedDrops],
] as const satisfies readonly (readonly [string, string, string, (link: LinkTotals) => number])[];

export function addEndpoints(add: Collectors, sources: Sources): void {
  // The first of the six counters reads the links; the others, which are read after it, show the same reading.
  let links: Awaited<ReturnType<MetricSources['links']>> = new Map();
  for (const [index, [direction, unit, what, read]] of directions.entries()) {
    const way = direction === 'receive' ? 'to' : 'from';
    add.counter(
      `tsbridge_endpoint_${direction}_${unit}_total`,
      `With --metrics-per-endpoint: ${what} ${way} a container, by the interface on the host.`,
      ['network', 'container', 'interface'],
      async () => {
        if (index === 0) links = await sources.links();
        return samplesOf(sources, links, read);
      },
    );
  }
  for (const [direction, series, way] of limited) {
    add.gauge(
      `tsbridge_endpoint_${series}_limit_bytes_per_second`,
      `With --metrics-per-endpoint: how much at most goes ${way} a container; absent: it has no limit.`,
      ['network', 'container', 'interface'],
      () => limitsAmong(sources, direction),
    );
  }
}

const limited = [
  ['down', 'receive', 'to'],
  ['up', 'transmit', 'from'],
] as const;

/** Rates in bytes, so that they can be compared with the counters. */
async function limitsAmong({ registry, names }: Sources, direction: Direction): Promise<Sample[]> {
  const samples: Sample[] = [];
  const yielding = new Yielding(undefined, 2);
  const known = names?.();
  for (const state of registry.endpoints().slice(0, mostEndpoints)) {
    const limit = limitsOfEndpoint(state)[direction];
    if (limit !== undefined) samples.push([endpointLabels(known, state), limit.rate / 8]);
    await yielding.pause();
  }
  return samples;
}

async function samplesOf(
  { registry, names }: Sources,
  links: Awaited<ReturnType<MetricSources['links']>>,
  read: (link: LinkTotals) => number,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  const yielding = new Yielding(undefined, 2);
  const known = names?.();
  for (const state of registry.endpoints().slice(0, mostEndpoints)) {
    const link = links.get(state.spec.veth.host);
    if (link !== undefined) samples.push([endpointLabels(known, state), read(link)]);
    await yielding.pause();
  }
  return samples;
}

type Known = ReturnType<NonNullable<MetricSources['names']>>;

function labelsOf(names: Known, { spec }: Pick<NetworkState, 'spec'>): Labels {
  return { network: names?.networkName(spec.id) ?? shortId(spec.id), bridge: spec.bridge };
}

/** The interface is a label, too, so that series differ also where names are equal or not known. */
function endpointLabels(names: Known, { spec, network }: EndpointState): Labels {
  return {
    network: labelsOf(names, network).network ?? '',
    container: names?.containerOf(spec.id)?.name ?? '',
    interface: spec.veth.host,
  };
}
