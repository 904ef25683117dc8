/** Networks, endpoints and ports as an engine sends them, by small numbers; and its driver. */
import { createHash } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { GenerationName } from '../../src/core/generations/generation.js';
import type { EndpointIds } from '../../src/driver/network-driver.js';
import { recover } from '../../src/driver/recover.js';
import type { World } from '../../src/driver/world.js';
import { CalledDriver } from './called-driver.js';
import type { FakeHost, Interpose } from './fake-host.js';
import { endpointIds } from './ids.js';

const idOf = (seed: string) => createHash('sha256').update(seed).digest('hex');

/** Number 5 stands for network 10.5.0.0/24, its endpoint 10.5.0.2, and so on. */
export class Engine {
  driver!: CalledDriver;
  world!: World;

  constructor(private readonly host: FakeHost) {}

  /** A fresh daemon on the same host. */
  async start(interpose?: Interpose, generation: GenerationName | 'auto' = 'docker20') {
    const { world } = this.host.boot({}, generation, interpose);
    this.world = world;
    this.driver = new CalledDriver(world, Promise.resolve());
    await recover(world);
  }

  ids(number: number, salt = '', host = 2): EndpointIds {
    const ids = endpointIds(
      idOf(`network ${number} ${salt}`),
      idOf(`endpoint ${number}.${host} ${salt}`),
    );
    return ids;
  }

  network(number: number, salt = '') {
    const pool = { pool: `10.${number}.0.0/24`, gateway: `10.${number}.0.1/24` };
    return {
      networkId: this.ids(number, salt).networkId,
      options: { 'com.docker.network.generic': {} },
      ipv4Data: [{ addressSpace: 'LocalDefault', ...pool }],
      ipv6Data: [],
    };
  }

  endpoint(number: number, salt = '', host = 2) {
    const rest = { addressIpv6: '', mac: '', options: {} };
    return { ...this.ids(number, salt, host), address: `10.${number}.0.${host}/24`, ...rest };
  }

  /** The first as TCP 80, the second as UDP 81, and so on. */
  ports(...hostPorts: readonly number[]) {
    const ports = hostPorts.map((HostPort, index) => ({
      Proto: index % 2 === 0 ? 6 : 17,
      IP: '',
      Port: 80 + index,
      HostIP: '',
      HostPort,
      HostPortEnd: HostPort,
    }));
    return {
      'com.docker.network.portmap': ports,
      'com.docker.network.endpoint.exposedports': ports.map(({ Proto, Port }) => ({ Proto, Port })),
    };
  }

  /** The engine has moved the interface into the sandbox; waits for routes that the driver adds there. */
  async enters(sandbox: string): Promise<void> {
    const { sandboxRoutes } = this.host;
    sandboxRoutes.up(sandbox);
    for (let turn = 0; turn < 30 && sandboxRoutes.dump(sandbox).length === 0; turn += 1) {
      await setTimeout(1);
    }
  }

  async removeAll(...numbers: readonly number[]): Promise<void> {
    for (const number of numbers) {
      await this.driver.leave(this.ids(number));
      await this.driver.deleteEndpoint(this.ids(number));
      await this.driver.deleteNetwork(this.ids(number).networkId);
    }
    await this.world.removals.idle();
  }
}
