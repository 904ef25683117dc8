/** Counts published host ports, by what leads to their containers (`path`). */
import { familyOf, isLoopback } from '../../core/address.js';
import type { NetworkSpec, PortRules } from '../../core/network/network.js';
import type { PortBinding } from '../../core/ports/port.js';
import type { EndpointState } from '../../driver/state/registry.js';
import { Yielding } from '../../yielding.js';
import type { Labels, Sample } from './collectors.js';

/** The part of an endpoint that decides how its ports are counted. */
interface PublishingEndpoint {
  readonly record: Pick<EndpointState['record'], 'bindings' | 'added'>;
  readonly network: { readonly spec: Pick<NetworkSpec, 'portRules'> };
}

/** Counts ports with yields, since a host can have 60,000 of them and calls of engines come first. */
export async function countPorts(endpoints: readonly PublishingEndpoint[]): Promise<Sample[]> {
  const counts = new Map<string, { labels: Labels; count: number }>();
  // Turns are shorter than those of other work, since no call waits for metrics.
  const yielding = new Yielding(undefined, 2);
  for (const { record, network } of endpoints) {
    const count = (by: string, bindings: readonly PortBinding[]): void => {
      for (const binding of bindings) {
        const { protocol, hostIp } = binding;
        const family = familyOf(hostIp);
        const path = pathOf(binding, network.spec.portRules);
        const key = `${protocol} ${family} ${path} ${by}`;
        const known = counts.get(key);
        const labels = { protocol, family, path, by };
        if (known === undefined) counts.set(key, { labels, count: 1 });
        else known.count += 1;
      }
    };
    count('docker', record.bindings);
    for (const { bindings } of record.added) count('operator', bindings);
    await yielding.pause();
  }
  return [...counts.values()].map(({ labels, count }) => [labels, count]);
}

const paths = { docker: 'rule', compact: 'range', 'compact-shifted': 'range', map: 'map' } as const;

function pathOf({ hostIp, containerIp }: PortBinding, portRules: PortRules): string {
  if (isLoopback(hostIp) || familyOf(hostIp) !== familyOf(containerIp)) return 'proxy';
  return paths[portRules];
}
