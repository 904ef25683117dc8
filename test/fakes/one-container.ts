/** One container with one network, as the calls of an engine describe it, on a host in memory. */
import { createHash } from 'node:crypto';
import type { GenerationName } from '../../src/core/generations/generation.js';
import { recover } from '../../src/driver/recover.js';
import { CalledDriver } from './called-driver.js';
import type { FakeHost } from './fake-host.js';
import { endpointIds } from './ids.js';

export const id = (seed: string) => createHash('sha256').update(seed).digest('hex');
export const networkId = id('a');
export const endpointId = id('b');
export const bridge = `br-${networkId.slice(0, 12)}`;
export const ids = (network = networkId, endpoint = endpointId) => {
  return endpointIds(network, endpoint);
};
export const network = (
  number = 5,
  network = networkId,
  options: Record<string, unknown> = {},
) => ({
  networkId: network,
  options: { 'com.docker.network.generic': {}, ...options },
  ipv4Data: [{ pool: `10.${number}.0.0/24`, gateway: `10.${number}.0.1/24` }],
  ipv6Data: [],
});
export const endpoint = (host = 2, endpoint = endpointId) => ({
  networkId,
  endpointId: endpoint,
  address: `10.5.0.${host}/24`,
  addressIpv6: '',
  mac: '',
  options: {},
});
export const publish = (
  ...ports: [proto: number, port: number, host: number, end?: number, ip?: string][]
) => ({
  'com.docker.network.portmap': ports.map(([Proto, Port, HostPort, HostPortEnd, HostIP]) => ({
    Proto,
    IP: '',
    Port,
    HostIP: HostIP ?? '',
    HostPort,
    HostPortEnd: HostPortEnd ?? HostPort,
  })),
  'com.docker.network.endpoint.exposedports': ports.map(([Proto, Port]) => ({ Proto, Port })),
});

/** A driver on this host, recovered from whatever records it has. */
export async function start(host: FakeHost, generation?: GenerationName) {
  const { world, choice } = host.boot({}, generation);
  await recover(world);
  return { driver: new CalledDriver(world, Promise.resolve()), world, choice };
}

/** Once nothing is on its way out. */
export const state = (host: FakeHost) => ({
  links: [...host.links.links.keys()].sort(),
  rules: host.firewall.dump(),
  ports: [...host.hostPorts.held.keys()].sort(),
  records: [...host.store.records.keys()].sort(),
});
