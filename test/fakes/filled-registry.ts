/** A registry of any size, with as much in it as questions about it need. */
import type { Cidr, IpAddress, MacAddress } from '../../src/core/address.js';
import type { EndpointId, NetworkId, VethNames } from '../../src/core/names.js';
import type { NetworkSpec } from '../../src/core/network/network.js';
import type { Port, PortBinding } from '../../src/core/ports/port.js';
import type { EndpointRecord, NetworkRecord } from '../../src/driver/state/records.js';
import { Registry } from '../../src/driver/state/registry.js';

const cidr = (address: string, prefixLength: number) =>
  ({ family: 4, address, prefixLength }) as unknown as Cidr;
const idOf = (number: number) => number.toString(16).padStart(64, '0');

export function binding(hostIp: string, hostPort: number): PortBinding {
  return {
    protocol: 'tcp',
    hostIp: hostIp as IpAddress,
    hostPort: hostPort as Port,
    containerIp: '172.20.0.2' as IpAddress,
    containerPort: 80 as Port,
  };
}

/** One network with so many endpoints, and so many ports on each. */
export function filledRegistry(
  endpoints: number,
  ports: number,
  spec: Partial<NetworkSpec> = {},
): Registry {
  const registry = new Registry();
  const network = registry.addNetwork(
    {
      id: idOf(1) as NetworkId,
      bridge: 'br-1',
      ipv4: { subnet: cidr('172.20.0.0', 16) },
      userlandProxy: true,
      ruleFamilies: [4],
      internal: false,
      ...spec,
    } as NetworkSpec,
    { phase: 'ready', sequence: 1 } as NetworkRecord,
  );
  for (let index = 0; index < endpoints; index += 1) {
    const bindings = Array.from({ length: ports }, (_, port) => binding('0.0.0.0', 1 + port));
    registry.addEndpoint(
      network,
      {
        id: idOf(100 + index) as EndpointId,
        networkId: network.spec.id,
        ipv4: cidr('172.20.0.2', 16),
        ipv6: undefined,
        mac: '02:42:ac:14:00:02' as MacAddress,
        veth: { host: `veth${index}`, container: 'c' } as unknown as VethNames,
      },
      {
        phase: 'ready',
        sequence: 2 + index,
        bindings,
        ...{ added: [], opened: [], exposed: [], yielded: [] },
      } as unknown as EndpointRecord,
    );
  }
  return registry;
}
