/** A network with `tsbridge.port_rules=map` and its only container, which stands in a namespace of its own. */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Daemon } from './daemon.js';
import { run } from './netns.js';

const ip = (...args: readonly string[]) => run('ip', args);

export type Ports = readonly (readonly [
  protocol: number,
  host: number,
  container: number,
  ip?: string,
])[];
export type Answer = Readonly<Record<string, unknown>>;

const portMap = (ports: Ports) => ({
  'com.docker.network.portmap': ports.map(([Proto, HostPort, Port, HostIP = '']) => {
    return { Proto, IP: '', Port, HostIP, HostPort, HostPortEnd: HostPort };
  }),
});

/** A network of one container; the namespace `one` has 10.1.0.2 and fd00:1::2. */
export class Container {
  readonly ids: { readonly NetworkID: string; readonly EndpointID: string };
  readonly #number: number;

  constructor(
    public daemon: Daemon,
    readonly name: 'one' | 'two',
  ) {
    this.#number = name === 'one' ? 1 : 2;
    const digit = String(this.#number);
    this.ids = { NetworkID: digit.repeat(64), EndpointID: `fedcba987654321${digit}`.repeat(4) };
  }

  async call(method: string, body: object = {}): Promise<Answer> {
    return this.daemon.call(method, { ...this.ids, ...body });
  }

  create(options: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const own = this.#number;
    return this.call('CreateNetwork', {
      Options: {
        'com.docker.network.enable_ipv6': true,
        'com.docker.network.generic': {
          'com.docker.network.bridge.name': `br-${this.name}`,
          'tsbridge.port_rules': 'map',
          ...options,
        },
      },
      IPv4Data: [{ Pool: `10.${own}.0.0/24`, Gateway: `10.${own}.0.1/24` }],
      IPv6Data: [{ Pool: `fd00:${own}::/64`, Gateway: `fd00:${own}::1/64` }],
    });
  }

  async join(): Promise<void> {
    const { name } = this;
    const own = this.#number;
    const Interface = { Address: `10.${own}.0.2/24`, AddressIPv6: `fd00:${own}::2/64` };
    await this.must('CreateEndpoint', { Interface, Options: {} });
    const { InterfaceName } = await this.must('Join', { SandboxKey: `/run/netns/${name}` });
    const { SrcName } = InterfaceName as { SrcName: string };
    ip('link', 'set', SrcName, 'netns', name, 'name', 'eth0');
    ip('-n', name, 'addr', 'add', Interface.Address, 'dev', 'eth0');
    ip('-n', name, 'addr', 'add', Interface.AddressIPv6, 'dev', 'eth0', 'nodad');
    ip('-n', name, 'link', 'set', 'eth0', 'up');
    ip('-n', name, 'route', 'add', 'default', 'via', `10.${own}.0.1`);
    ip('-n', name, '-6', 'route', 'add', 'default', 'via', `fd00:${own}::1`);
  }

  publish(ports: Ports): Promise<Answer> {
    return this.call('ProgramExternalConnectivity', { Options: portMap(ports) });
  }

  async remove(): Promise<void> {
    for (const method of ['Leave', 'DeleteEndpoint', 'DeleteNetwork']) await this.must(method);
    while (existsSync(`/sys/class/net/br-${this.name}`)) await sleep(10);
  }

  async must(method: string, body: object = {}): Promise<Answer> {
    const answer = await this.call(method, body);
    if (answer.Err !== undefined) throw new Error(`${method}: ${answer.Err}`);
    return answer;
  }
}
