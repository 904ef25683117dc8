/** The plugin protocol without an engine: networks and endpoints by number, on a real daemon. */

import { createHash } from 'node:crypto';
import { UnixHttp } from '../test/lab/http.js';
import { run } from '../test/process/netns.js';

/** As random as an engine's: links are named by their digits. */
const id = (kind: string, number: number): string =>
  createHash('sha256').update(`${kind} ${number}`).digest('hex');

export const networkId = (number: number): string => id('n', number);

/** Number 300 is network 10.1.44.0/24. */
const subnet = (number: number): string => `10.${number >> 8}.${number & 255}`;

/** One network that has room for a thousand endpoints and more. */
export const crowded = 60_000;
const crowdedNet = '172.20';
/** One with as much room, and `tsbridge.port_rules=map`: for endpoints from {@link firstMapped} on. */
export const mappedNetwork = 60_001;
const mappedNet = '172.21';
export const firstMapped = 100_000;

const isMapped = (endpoint: number): boolean => endpoint >= firstMapped;

function hostOf(endpoint: number): string {
  const number = (isMapped(endpoint) ? endpoint - firstMapped : endpoint) + 2;
  return `${isMapped(endpoint) ? mappedNet : crowdedNet}.${number >> 8}.${number & 255}`;
}

/** TCP ports, consecutive from `first`; by default not of IPv6, to do with fewer open files. */
export function portMap(first: number, count: number, HostIP = '0.0.0.0'): object {
  return {
    'com.docker.network.portmap': Array.from({ length: count }, (_, index) => ({
      Proto: 6,
      IP: '',
      Port: 1 + index,
      HostIP,
      HostPort: first + index,
      HostPortEnd: first + index,
    })),
  };
}

export class BareCalls {
  readonly #http: UnixHttp;

  constructor(socketPath: string) {
    this.#http = new UnixHttp(socketPath);
  }

  async call(method: string, body: object): Promise<Record<string, unknown>> {
    const answer = await this.#http.call<Record<string, unknown>>(
      'POST',
      `/NetworkDriver.${method}`,
      body,
    );
    if (typeof answer.Err === 'string') throw new Error(`${method}: ${answer.Err}`);
    return answer;
  }

  createNetwork(number: number): Promise<unknown> {
    const large = { [crowded]: crowdedNet, [mappedNetwork]: mappedNet }[number];
    const [Pool, Gateway] =
      large === undefined
        ? [`${subnet(number)}.0/24`, `${subnet(number)}.1/24`]
        : [`${large}.0.0/16`, `${large}.0.1/16`];
    const generic = number === mappedNetwork ? { 'tsbridge.port_rules': 'map' } : {};
    return this.call('CreateNetwork', {
      NetworkID: networkId(number),
      Options: { 'com.docker.network.generic': generic },
      IPv4Data: [{ AddressSpace: 'LocalDefault', Pool, Gateway }],
      IPv6Data: [],
    });
  }

  deleteNetwork(number: number): Promise<unknown> {
    return this.call('DeleteNetwork', { NetworkID: networkId(number) });
  }

  /** Of the crowded network, or of that with a map, joined; gives the name of the container's end of the pair. */
  async createEndpoint(endpoint: number): Promise<string> {
    const ids = this.#ids(endpoint);
    const Interface = { Address: `${hostOf(endpoint)}/16` };
    await this.call('CreateEndpoint', { ...ids, Interface, Options: {} });
    const answer = await this.call('Join', { ...ids, SandboxKey: `/run/netns/${endpoint}` });
    return (answer.InterfaceName as { SrcName: string }).SrcName;
  }

  publish(endpoint: number, options: object): Promise<unknown> {
    return this.call('ProgramExternalConnectivity', {
      ...this.#ids(endpoint),
      Options: options,
    });
  }

  revoke(endpoint: number): Promise<unknown> {
    return this.call('RevokeExternalConnectivity', this.#ids(endpoint));
  }

  async removeEndpoint(endpoint: number): Promise<void> {
    await this.call('Leave', this.#ids(endpoint));
    await this.call('DeleteEndpoint', this.#ids(endpoint));
  }

  #ids(endpoint: number): { NetworkID: string; EndpointID: string } {
    const network = isMapped(endpoint) ? mappedNetwork : crowded;
    return { NetworkID: networkId(network), EndpointID: id('e', endpoint) };
  }

  close(): void {
    this.#http.close();
  }
}

/** Puts a pair's end where its engine would: into a namespace that has a name, with its address. */
export function moveInto(namespace: string, link: string, endpoint: number): void {
  const ip = (...args: readonly string[]) => run('ip', args);
  ip('link', 'set', link, 'netns', namespace, 'name', 'eth0');
  ip('-n', namespace, 'addr', 'add', `${hostOf(endpoint)}/16`, 'dev', 'eth0');
  ip('-n', namespace, 'link', 'set', 'eth0', 'up');
  ip('-n', namespace, 'route', 'add', 'default', 'via', `${crowdedNet}.0.1`);
}
