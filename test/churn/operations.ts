/** Operations of the model, as requests to a real engine. */
import { setTimeout as sleep } from 'node:timers/promises';
import { IMAGE } from '../lab/engine.js';
import { UnixHttp } from '../lab/http.js';
import { ADDRESSES, type Lab } from '../lab/lab.js';
import { type ContainerOperation, isInternal, type Model, type Operation } from './model.js';

/** Names of what belongs to the churn; all else on the engine is left alone. */
export const containerName = (index: number): string => `churn-c${index}`;
export const networkName = (index: number): string => `churn-n${index}`;

/** Every second container publishes; 0 for the others. */
export const tcpPort = (container: number): number =>
  container % 2 === 0 ? 20_000 + container : 0;
const udpPort = (container: number): number => (container % 4 === 0 ? 30_000 + container : 0);
/** What an operator publishes of it. */
export const operatorPort = (container: number): number => 40_000 + container;
const hasIpv6 = (network: number): boolean => network % 5 === 1;

/**
 * Whether published ports are in a map (`tsbridge.port_rules=map`): on every network that can have some (`map`), on one of
 * five (`both`), or on none (`docker`), as a host with iptables-legacy needs it.
 */
export type PortRules = 'docker' | 'map' | 'both';

/** Rejects with the engine's words. */
export async function perform(
  lab: Lab,
  operation: Operation,
  portRules: PortRules = 'both',
): Promise<void> {
  if (operation.kind === 'create-network') {
    await lab.api('POST', '/networks/create', networkRequest(operation.network, portRules));
  } else if (operation.kind === 'remove-network') {
    await removeNetwork(lab, networkName(operation.network));
  } else await performOn(lab, operation);
}

/**
 * The engine may answer that a container is gone before it has let go of its endpoints: the churn waits half a
 * minute for that, as for everything else. The error names the containers that are still on the network then.
 */
async function removeNetwork(lab: Lab, name: string): Promise<void> {
  const end = performance.now() + 30_000;
  for (;;) {
    try {
      await lab.api('DELETE', `/networks/${name}`);
      return;
    } catch (error) {
      if (!/active endpoints/.test(String(error))) throw error;
      if (performance.now() > end) {
        const { Containers } = await lab.api<{ Containers: unknown }>('GET', `/networks/${name}`);
        throw new Error(`${String(error)}: ${JSON.stringify(Containers)}`);
      }
      await sleep(200);
    }
  }
}

async function performOn(lab: Lab, operation: ContainerOperation): Promise<void> {
  const name = containerName(operation.container);
  switch (operation.kind) {
    case 'run': {
      const request = containerRequest(operation.container, networkName(operation.network));
      await lab.api('POST', `/containers/create?name=${name}`, request);
      await lab.api('POST', `/containers/${name}/start`);
      break;
    }
    case 'connect':
    case 'disconnect': {
      const network = networkName(operation.network);
      await lab.api('POST', `/networks/${network}/${operation.kind}`, { Container: name });
      break;
    }
    case 'publish': {
      const ports = [`${operatorPort(operation.container)}:80`];
      const network = networkName(operation.network);
      const body = { container: name, network, ports, kept: 'container', ifFree: false };
      await askDaemon(lab, 'POST', '/v1/publish', body);
      break;
    }
    case 'unpublish':
      await askDaemon(lab, 'POST', '/v1/unpublish', { container: name });
      break;
    case 'remove':
      await lab.api('DELETE', `/containers/${name}?force=true`);
      // It would go by itself 10 s later; the next container gets the same name and port before.
      await askDaemon(lab, 'POST', '/v1/unpublish', { container: name });
      break;
    default:
      await lab.api('POST', `/containers/${name}/${operation.kind}`);
  }
}

interface ListedPublication {
  readonly container: string;
  readonly network: { readonly name: string | null };
  readonly state: string;
}

/** By the number of its container. */
export async function publications(lab: Lab): Promise<Map<number, ListedPublication>> {
  const { publications: all } = await askDaemon<{ publications: ListedPublication[] }>(
    lab,
    'GET',
    '/v1/publications',
  );
  return new Map(all.map((each) => [Number(/^churn-c(\d+)$/.exec(each.container)?.[1]), each]));
}

async function askDaemon<T>(lab: Lab, method: string, path: string, body?: unknown): Promise<T> {
  const admin = new UnixHttp(lab.path('/run/tsbridge/admin.sock'));
  try {
    return await admin.call<T>(method, path, body);
  } finally {
    admin.close();
  }
}

function networkRequest(network: number, portRules: PortRules): unknown {
  const pool = { Subnet: `fd00:${(network + 1).toString(16)}::/64` };
  return {
    Name: networkName(network),
    Driver: 'tsbridge',
    CheckDuplicate: true,
    Internal: isInternal(network),
    ...(hasIpv6(network) ? { EnableIPv6: true, IPAM: { Config: [pool] } } : {}),
    Options: { ...networkOptions(network), ...mapped(network, portRules) },
  };
}

/**
 * The options of the churn's networks. Some networks are without communication between containers. Half of the plain ones
 * say who reaches what, and limit traffic; half of those without communication have routes by which other hosts know them.
 * For the containers of some, the host answers neighbours, for half of these by both families (`attach=proxy`).
 */
function networkOptions(network: number): Readonly<Record<string, string>> {
  const icc = { 'com.docker.network.bridge.enable_icc': 'false' };
  const isFirst = network % 2 === 0;
  switch (network % 5) {
    case 0:
      return isFirst ? passage : {};
    case 1:
      return isFirst
        ? { 'tsbridge.attach': 'proxy', 'tsbridge.parent': 'eth0' }
        : { 'tsbridge.ndp_proxy': 'eth0', 'tsbridge.routes': '10.250.0.0/16 blackhole' };
    case 2:
      return { ...icc, ...(isFirst ? routed(network) : {}) };
    default:
      return {};
  }
}

function mapped(network: number, portRules: PortRules): Readonly<Record<string, string>> {
  const isMapped = portRules === 'map' ? !isInternal(network) : network % 5 === 3;
  return isMapped && portRules !== 'docker' ? { 'tsbridge.port_rules': 'map' } : {};
}

const lan = '192.0.2.0/24';
const passage: Readonly<Record<string, string>> = {
  // IPv4 only: ports at IPv6 addresses need rules of IPv6, which not every engine writes.
  'com.docker.network.bridge.host_binding_ipv4': ADDRESSES.host,
  'tsbridge.publish_from': lan,
  'tsbridge.egress_allow': `${lan}:443/tcp`,
  'tsbridge.egress_ip': ADDRESSES.host,
  'tsbridge.no_masquerade_to': '198.51.100.0/24',
  'tsbridge.rate_down': '100mbit',
  'tsbridge.rate_up': '100mbit',
};
const routed = (network: number): Readonly<Record<string, string>> => ({
  'tsbridge.accept_from': '172.16.0.0/12,192.168.0.0/16',
  'tsbridge.announce': 'addresses',
  'tsbridge.remote_routes': `10.77.${network}.0/24 via ${ADDRESSES.lan}`,
});

function containerRequest(container: number, network: string): unknown {
  const ports = [
    ...(tcpPort(container) === 0 ? [] : [['80/tcp', tcpPort(container)] as const]),
    ...(udpPort(container) === 0 ? [] : [['53/udp', udpPort(container)] as const]),
  ];
  return {
    Image: IMAGE,
    Hostname: containerName(container),
    Cmd: ['nc', '-ll', '-p', '80', '-e', 'hostname'],
    // PID 1 ignores SIGTERM: every stop would take 10 s.
    StopSignal: 'SIGKILL',
    ExposedPorts: Object.fromEntries(ports.map(([inside]) => [inside, {}])),
    HostConfig: {
      NetworkMode: network,
      PortBindings: Object.fromEntries(
        ports.map(([inside, outside]) => [inside, [{ HostPort: String(outside) }]]),
      ),
    },
  };
}

interface ListedContainer {
  Names: string[];
  State: string;
  NetworkSettings: { Networks: Record<string, unknown> };
}

/**
 * What the engine says there is becomes the model. Containers of operations that failed are removed
 * before: an engine that was killed in the middle may not be able to go on with them.
 */
export async function adopt(lab: Lab, model: Model, failed: readonly Operation[]): Promise<void> {
  for (const operation of failed) {
    if (!('container' in operation)) continue;
    const name = containerName(operation.container);
    await lab.api('DELETE', `/containers/${name}?force=true`).catch(() => undefined);
    await askDaemon(lab, 'POST', '/v1/unpublish', { container: name }).catch(() => undefined);
  }
  const published = await publications(lab).catch(() => new Map<number, ListedPublication>());
  const networks = await lab.api<{ Name: string }[]>('GET', '/networks');
  const numbered = (pattern: RegExp, name: string) => Number(pattern.exec(name)?.[1] ?? -1);
  const networkNumber = (name: string) => numbered(/^churn-n(\d+)$/, name);
  model.networks.clear();
  for (const { Name } of networks) {
    if (networkNumber(Name) >= 0) model.networks.add(networkNumber(Name));
  }
  for (const [index, container] of model.containers.entries()) {
    const on = published.get(index)?.network.name;
    container.published = on === undefined ? undefined : networkNumber(on ?? '');
    container.state = 'absent';
    container.networks.clear();
  }
  for (const listed of await lab.api<ListedContainer[]>('GET', '/containers/json?all=true')) {
    const container = model.containers[numbered(/^\/churn-c(\d+)$/, listed.Names[0] ?? '')];
    if (container === undefined) continue;
    container.state = listed.State === 'running' ? 'running' : 'stopped';
    for (const name of Object.keys(listed.NetworkSettings.Networks)) {
      container.networks.add(networkNumber(name));
    }
  }
}
