/** An operator on a host in memory: publishes ports of containers that the engine of engine-calls.ts has. */
import { createHash } from 'node:crypto';
import type { EndpointId, EngineName } from '../../src/core/names.js';
import type { Kept } from '../../src/core/publications/publication.js';
import { parsePortWord, type WordedPorts } from '../../src/core/publications/words.js';
import { PublicationKeeper } from '../../src/driver/publications/keeper.js';
import { Engine } from './engine-calls.js';
import { FakeClock } from './fake-clock.js';
import { FakeContainers } from './fake-containers.js';
import { type FakeHost, type Interpose, makeHost } from './fake-host.js';

export const containerId = (name: string) => createHash('sha256').update(name).digest('hex');
export const asker = { uid: 1000, sudoUser: undefined };

export function words(...texts: readonly string[]): WordedPorts[] {
  return texts.map((text) => {
    const ports = parsePortWord(text);
    if (typeof ports === 'string') throw new Error(ports);
    return ports;
  });
}

/** A host with network 5, called `shop`, an engine whose API is asked, and a daemon. */
export class OperatedHost {
  readonly engine: Engine;
  keeper!: PublicationKeeper;
  clock = new FakeClock();

  constructor(
    readonly host: FakeHost = makeHost(),
    readonly containers = new FakeContainers(),
  ) {
    this.engine = new Engine(host);
  }

  /** A fresh daemon, which has asked the engine once. */
  async start(interpose?: Interpose): Promise<this> {
    await this.engine.start(interpose);
    this.clock = new FakeClock();
    const { world } = this.engine;
    this.keeper = new PublicationKeeper({
      ...{ world, containers: this.containers, clock: this.clock },
    });
    await this.containers.refresh().catch(() => {});
    this.keeper.start();
    return this;
  }

  async createNetwork(name = 'shop', number = 5): Promise<void> {
    await this.engine.driver.createNetwork(this.engine.network(number));
    const { networkId } = this.engine.ids(number);
    this.containers.networks.set(networkId, name as EngineName);
  }

  /** Each start has an endpoint of its own; the engine's API knows it from then on, the daemon after a refresh. */
  async startContainer(name: string, hostAddress = 2, start = '', id = containerId(name)) {
    const { driver } = this.engine;
    const ids = this.engine.ids(5, start, hostAddress);
    const { networkId } = this.engine.ids(5);
    await driver.createEndpoint({ ...this.engine.endpoint(5, start, hostAddress), networkId });
    const endpoint = { networkId, endpointId: ids.endpointId };
    await driver.join(endpoint, `/ns/${name}${start}`);
    this.containers.started(ids.endpointId, name, id);
    return endpoint;
  }

  async stopContainer(hostAddress = 2, start = ''): Promise<void> {
    const { networkId } = this.engine.ids(5);
    const { endpointId } = this.engine.ids(5, start, hostAddress);
    await this.engine.driver.leave({ networkId, endpointId });
    await this.engine.driver.deleteEndpoint({ networkId, endpointId });
    this.containers.endpoints.delete(endpointId as EndpointId);
    await this.engine.world.removals.idle();
  }

  /** The engine has told of something: what it says now is known, and what is due is done. */
  async told(): Promise<void> {
    await this.containers.refresh();
    await this.clock.pass(100);
  }

  publish(container: string, texts: readonly string[], keptFor: Kept['for'] = 'container') {
    const place = { container, network: undefined };
    return this.keeper.publish({ ...place, ports: words(...texts), keptFor, asker });
  }

  unpublish(container: string, texts?: readonly string[]) {
    const wanted = texts === undefined ? undefined : words(...texts).map(({ word }) => word);
    return this.keeper.unpublish({ container, network: undefined }, wanted, asker);
  }

  /** What is held, by host port: `0.0.0.0:9229/tcp`. */
  get held(): string[] {
    return [...this.host.hostPorts.held.keys()].sort();
  }

  get records(): string[] {
    return [...this.host.store.records.keys()].filter((key) => key.startsWith('publication'));
  }
}
