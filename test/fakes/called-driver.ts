/**
 * The driver, called as an engine calls: inputs are those of Docker's protocol, and reach the driver by
 * the front end that the suite has chosen.
 */
import type { EndpointId, NetworkId } from '../../src/core/names.js';
import type { EndpointInput, NetworkInput } from '../../src/core/options/input.js';
import { parsePublish } from '../../src/core/options/port-options.js';
import { BridgeDriver } from '../../src/driver/driver.js';
import type { FrontEnd } from '../../src/driver/front-end.js';
import type { ProcessId } from '../../src/driver/host.js';
import type { EndpointIds } from '../../src/driver/network-driver.js';
import { endpointValue } from '../../src/frontends/libnetwork/answer.js';
import { libnetwork } from '../../src/frontends/libnetwork/front-end.js';
import { plain, plainEndpoint, plainNetwork } from './plain-front-end.js';

let chosen: FrontEnd = libnetwork;

/** For all tests of this process. */
export function useFrontEnd(name: 'libnetwork' | 'plain'): void {
  chosen = name === 'plain' ? plain : libnetwork;
}

/** The front end by which calls come. */
export const frontEnd = (): FrontEnd => chosen;

/** The engine's process. It is gone unless a test puts it among those that are alive. */
export const engineProcess = 'boot pid:[1] 4711 99' as ProcessId;

export class CalledDriver {
  readonly #driver: BridgeDriver;
  constructor(...parts: ConstructorParameters<typeof BridgeDriver>) {
    this.#driver = new BridgeDriver(...parts);
  }

  engineStarted(): void {
    this.#driver.engineStarted();
  }

  async createNetwork(input: NetworkInput, caller?: ProcessId): Promise<void> {
    const asked = {
      networkId: input.networkId as NetworkId,
      frontEnd: chosen.name,
      input: chosen === plain ? plainNetwork(input) : input,
    };
    await this.#driver.createNetwork(asked, caller);
  }

  deleteNetwork(networkId: NetworkId): Promise<void> {
    return this.#driver.deleteNetwork(networkId);
  }

  createEndpoint(input: EndpointInput, caller: ProcessId | undefined = engineProcess) {
    const asked = {
      networkId: input.networkId as NetworkId,
      endpointId: input.endpointId as EndpointId,
      frontEnd: chosen.name,
      input: chosen === plain ? plainEndpoint(input) : input,
    };
    return this.#driver.createEndpoint(asked, caller);
  }

  deleteEndpoint(ids: EndpointIds): Promise<void> {
    return this.#driver.deleteEndpoint(ids);
  }

  async endpointInfo(ids: EndpointIds): Promise<Readonly<Record<string, unknown>>> {
    return endpointValue(await this.#driver.endpointInfo(ids));
  }

  join(
    ids: EndpointIds,
    sandboxKey: string,
    caller: ProcessId | 'unknown' = engineProcess,
    options: Readonly<Record<string, unknown>> = {},
  ) {
    const known = caller === 'unknown' ? undefined : caller;
    return this.#driver.join(ids, sandboxKey, known, () => parsePublish(options));
  }

  leave(ids: EndpointIds): Promise<void> {
    return this.#driver.leave(ids);
  }

  async publishPorts(ids: EndpointIds, options: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#driver.publishPorts(ids, parsePublish(options));
  }

  revokePorts(ids: EndpointIds): Promise<void> {
    return this.#driver.revokePorts(ids);
  }
}
