/** The throwaway networks of a connectivity test: made by the calls that an engine makes, containers being probes. */
import { randomBytes } from 'node:crypto';
import { type Cidr, cidrText, type Family, type IpAddress, parseIp } from '../../core/address.js';
import type { TestAddresses } from '../../core/connectivity/addresses.js';
import { type InterfaceName, parseInterfaceName, parseInterfacePrefix } from '../../core/names.js';
import { moveIntoNamespace } from '../../host/netlink/netns.js';
import type { Libc } from '../../host/process/libc.js';
import type { NetworkModel, TestNetwork } from '../../operator/test-networks.js';
import type { LeaseHolder } from './lease.js';
import type { ProbeProcess } from './probe-process.js';

/** Ports of the second container, of which the first one is published, and of the outside host. */
export const containerPorts = { published: 7357, unpublished: 7358 } as const;
export const outsidePort = 7359;

const protocols = { tcp: 6, udp: 17 } as const;
/** All ids of tests begin so: `7e57` reads as "test". */
const newId = () => `7e57${randomBytes(30).toString('hex')}`;

export interface HostPort {
  readonly protocol: 'tcp' | 'udp';
  readonly address: IpAddress;
  readonly port: number;
}

export interface Container {
  /** The id of its endpoint. */
  readonly endpoint: string;
  readonly addresses: Readonly<Partial<Record<Family, IpAddress>>>;
  readonly bridge: string;
  readonly ports: readonly HostPort[];
}

export interface MadeNetwork extends TestNetwork {
  readonly id: string;
}

/** @param model the options; families that are not on get no subnet */
export async function makeNetwork(
  lease: LeaseHolder,
  model: NetworkModel,
  blocks: TestAddresses['tested'],
): Promise<MadeNetwork> {
  const id = newId();
  const pool = (family: Family, on: boolean) =>
    on
      ? [
          {
            AddressSpace: 'LocalDefault',
            Pool: cidrText(blocks[family].subnet),
            Gateway: cidrText(blocks[family].at(1)),
          },
        ]
      : [];
  await lease.call('CreateNetwork', {
    NetworkID: id,
    Options: model.options,
    IPv4Data: pool(4, model.ipv4),
    IPv6Data: pool(6, model.ipv6),
  });
  return { id, ...(await lease.network(id)) };
}

interface JoinAnswer {
  readonly InterfaceName: { readonly SrcName: string; readonly DstPrefix: string };
  readonly Gateway?: string;
  readonly GatewayIPv6?: string;
}

/**
 * @param number which address of each subnet of the network the container gets; the gateway has the first
 * @param publishes host ports that are published, by TCP and by UDP: `any` that are free, or these; undefined: none
 */
export async function makeContainer(
  libc: Libc,
  lease: LeaseHolder,
  network: MadeNetwork,
  blocks: TestAddresses['tested'],
  probe: ProbeProcess,
  number: number,
  publishes?: 'any' | readonly HostPort[],
): Promise<Container> {
  const { spec } = network;
  const ids = { NetworkID: network.id, EndpointID: newId() };
  const cidr = (family: Family, on: boolean) => (on ? blocks[family].at(number) : undefined);
  const four = cidr(4, spec.ipv4 !== undefined);
  const six = cidr(6, spec.ipv6 !== undefined);
  const options = publishes === undefined ? {} : portOptions(publishes);
  const created = await lease.call<{ Interface?: { MacAddress?: string } }>('CreateEndpoint', {
    ...ids,
    Interface: {
      Address: four === undefined ? '' : cidrText(four),
      AddressIPv6: six === undefined ? '' : cidrText(six),
      MacAddress: '',
    },
    Options: options,
  });
  const joined = await lease.call<JoinAnswer>('Join', {
    ...ids,
    SandboxKey: probe.namespace,
    Options: options,
  });
  await moveIn(
    libc,
    joined,
    probe,
    [four, six].filter((each) => each !== undefined),
    created,
  );
  let ports: readonly HostPort[] = [];
  if (publishes !== undefined) {
    await lease.call('ProgramExternalConnectivity', { ...ids, Options: options });
    ports = hostPorts(await lease.call('EndpointOperInfo', ids));
  }
  return {
    endpoint: ids.EndpointID,
    addresses: {
      ...(four === undefined ? {} : { 4: four.address }),
      ...(six === undefined ? {} : { 6: six.address }),
    },
    bridge: spec.bridge,
    ports,
  };
}

/** Moves the link into the container, and sets its addresses and routes, as an engine does after Join. */
async function moveIn(
  libc: Libc,
  { InterfaceName: name, Gateway, GatewayIPv6 }: JoinAnswer,
  { namespace }: ProbeProcess,
  addresses: readonly Cidr[],
  { Interface }: { readonly Interface?: { readonly MacAddress?: string } },
): Promise<void> {
  const prefix = parseInterfacePrefix(name.DstPrefix);
  if (prefix === undefined) throw new Error(`the daemon answers with the prefix ${name.DstPrefix}`);
  const gateways = [Gateway, GatewayIPv6].flatMap((text = '') => parseIp(text) ?? []);
  await moveIntoNamespace(libc, {
    peer: interfaceName(name.SrcName),
    namespacePath: namespace,
    name: { prefix },
    ...(Interface?.MacAddress === undefined ? {} : { mac: Interface.MacAddress as never }),
    addresses,
    routes: [],
    gateways,
  });
}

function interfaceName(text: string): InterfaceName {
  const name = parseInterfaceName(text);
  if (name === undefined) throw new Error(`the daemon answers with the interface ${text}`);
  return name;
}

/**
 * Options of an endpoint that publish the container's port by TCP and UDP. For `any` the host port is 0: the daemon
 * chooses a free one, which no other program can take in between.
 */
function portOptions(publishes: 'any' | readonly HostPort[]): object {
  const { published } = containerPorts;
  const each = Object.entries(protocols);
  const hostPort = (protocol: string): number =>
    publishes === 'any' ? 0 : (publishes.find((port) => port.protocol === protocol)?.port ?? 0);
  return {
    'com.docker.network.portmap': each.map(([protocol, Proto]) => ({
      ...{ Proto, IP: '', Port: published, HostIP: '' },
      ...{ HostPort: hostPort(protocol), HostPortEnd: hostPort(protocol) },
    })),
    'com.docker.network.endpoint.exposedports': each.map(([, Proto]) => ({
      ...{ Proto, Port: published },
    })),
  };
}

/** Removes a container by the calls that an engine sends. The link goes with the endpoint. */
export async function removeContainer(
  lease: LeaseHolder,
  network: MadeNetwork,
  { endpoint }: Container,
): Promise<void> {
  const ids = { NetworkID: network.id, EndpointID: endpoint };
  for (const method of ['RevokeExternalConnectivity', 'Leave', 'DeleteEndpoint']) {
    await lease.call(method, ids);
  }
}

function hostPorts(info: object): HostPort[] {
  const { Value } = info as { Value?: Record<string, unknown> };
  const map = (Value?.['com.docker.network.portmap'] ?? []) as {
    readonly Proto: number;
    readonly HostIP: string;
    readonly HostPort: number;
  }[];
  return map.flatMap(({ Proto, HostIP, HostPort }) => {
    const address = parseIp(HostIP);
    if (address === undefined || HostPort === 0) return [];
    return [{ protocol: Proto === protocols.udp ? 'udp' : 'tcp', address, port: HostPort }];
  });
}
