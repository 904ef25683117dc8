/** The driver: which call waits for which other one, and which use case serves it. */

import { background } from '../background.js';
import { DriverError, wrapError } from '../core/errors.js';
import { type NetworkId, shortId } from '../core/names.js';
import { defaultRoutesOf, routesByEngine } from '../core/network/container-routes.js';
import { endpointLabel } from '../core/network/endpoint.js';
import type { PublishRequest } from '../core/options/port-options.js';
import type { AskedEndpoint, AskedNetwork } from './front-end.js';
import type { ProcessId } from './host.js';
import type { EndpointIds, EndpointInfo, JoinResult, NetworkDriver } from './network-driver.js';
import { removeUnlessMoved } from './orphans/dead-endpoints.js';
import type { EndpointState, NetworkState } from './state/registry.js';
import { saveEndpoint } from './state/saving.js';
import { engineStarted, joined, networkUsed } from './state/transitions.js';
import { addHostRoutes, undoJoin } from './usecases/endpoint-routes.js';
import { createEndpoint, removeEndpoint } from './usecases/endpoints.js';
import { createNetwork, deleteNetwork } from './usecases/networks.js';
import { onEndpoint } from './usecases/on-endpoint.js';
import { leaveNetwork } from './usecases/ports/added-ports.js';
import {
  openRoutedPorts,
  opensRoutedAtJoin,
  publishPorts,
  revokePorts,
} from './usecases/ports/publish.js';
import { giveBack, inSandbox } from './usecases/ports/siblings.js';
import type { World } from './world.js';

const nothingToPublish = (): PublishRequest => ({ requests: [], exposed: [], noProxy6To4: false });

/**
 * Calls of one endpoint run one after the other; calls of different endpoints run side by side;
 * the creation and deletion of a network waits for the calls of its endpoints.
 */
export class BridgeDriver implements NetworkDriver {
  constructor(
    private readonly world: World,
    /** Resolves when the records are read and the host is as they say; rejects if they cannot be read. */
    private readonly recovered: Promise<void>,
  ) {}

  engineStarted(): void {
    for (const network of this.world.registry.networks()) engineStarted(network);
    this.world.rules.engineStarted();
  }

  async createNetwork(asked: AskedNetwork, caller?: ProcessId): Promise<void> {
    const { networkId } = asked;
    await this.#ready(networkId);
    await this.world.networkLocks.exclusive(networkId, () =>
      createNetwork(this.world, asked, caller),
    );
  }

  async deleteNetwork(networkId: NetworkId): Promise<void> {
    await this.#ready(networkId);
    await this.world.networkLocks.exclusive(networkId, () => deleteNetwork(this.world, networkId));
  }

  async createEndpoint(
    asked: AskedEndpoint,
    caller?: ProcessId,
  ): ReturnType<NetworkDriver['createEndpoint']> {
    const { networkId, endpointId } = asked;
    return this.#onEndpoint(networkId, endpointId, async () => {
      const network = this.#network(asked);
      const answer = await createEndpoint(this.world, network, asked, caller);
      networkUsed(network);
      const state = this.world.registry.endpoint(endpointId);
      if (state?.record.phase === 'created') removeUnlessMoved(this.world, state);
      return answer;
    });
  }

  async deleteEndpoint({ networkId, endpointId }: EndpointIds): Promise<void> {
    await this.#onEndpoint(networkId, endpointId, async () => {
      const state = this.#find({ networkId, endpointId });
      if (state !== undefined) await removeEndpoint(this.world, state);
    });
  }

  async endpointInfo({ networkId, endpointId }: EndpointIds): Promise<EndpointInfo> {
    await this.#ready(networkId, endpointId);
    const { spec, record } = this.#endpoint({ networkId, endpointId });
    const { bindings, opened, exposed } = record;
    return { mac: spec.mac, link: spec.veth.host, bindings, opened, exposed };
  }

  async join(
    { networkId, endpointId }: EndpointIds,
    sandboxKey: string,
    caller?: ProcessId,
    readPorts: () => PublishRequest = nothingToPublish,
  ): Promise<JoinResult> {
    return this.#onEndpoint(networkId, endpointId, async () => {
      const state = this.#endpoint({ networkId, endpointId });
      await this.#openRouted(state, readPorts);
      // The engine need not wait for the disk: after a crash, the link that it has moved says that it joined.
      const takeBack = joined(state, sandboxKey, caller);
      await this.#addRoutes(state, takeBack);
      const told = this.world.neighbourProxies.advertise(state);
      background(this.world.log, 'telling neighbours of a container', told);
      saveEndpoint(this.world, state).catch((error) => {
        this.world.log.error({ endpoint: endpointId, error }, 'recording a join failed');
      });
      this.world.containerRoutes.addSoon(state);
      const network = state.network.spec;
      const { gateway, gatewayIpv6 } = defaultRoutesOf(state.spec, network);
      const routes = routesByEngine(state.spec, network);
      return {
        interface: state.spec.veth.container,
        prefix: network.containerPrefix,
        gateway,
        gatewayIpv6,
        ...(routes.length === 0 ? {} : { routes }),
        // Without a word the engine would connect the container to docker_gwbridge, to have a way out.
        ...(gateway === undefined && gatewayIpv6 === undefined && !network.internal
          ? { withoutGateway: true as const }
          : {}),
      };
    });
  }

  async #addRoutes(state: EndpointState, takeBack: () => void): Promise<void> {
    try {
      await addHostRoutes(this.world, state);
      await this.world.neighbourProxies.addOf(state);
    } catch (error) {
      takeBack();
      await undoJoin(this.world, state);
      throw wrapError(`joining endpoint ${labelOf(state)}`, error, 'route-failed');
    }
  }

  async #openRouted(state: EndpointState, readPorts: () => PublishRequest): Promise<void> {
    if (!opensRoutedAtJoin(this.world, state)) return;
    try {
      await openRoutedPorts(this.world, state, readPorts());
    } catch (error) {
      throw wrapError(`opening ports of endpoint ${labelOf(state)}`, error, 'firewall-failed');
    }
  }

  async leave(ids: EndpointIds): Promise<void> {
    await this.#release(ids, leaveNetwork);
  }

  async publishPorts(
    { networkId, endpointId }: EndpointIds,
    request: PublishRequest,
  ): Promise<void> {
    await this.#onEndpoint(networkId, endpointId, async () => {
      const state = this.#endpoint({ networkId, endpointId });
      try {
        await inSandbox(this.world, state, () => publishPorts(this.world, state, request));
      } catch (error) {
        // Docker users know the errors of ports by their first words: nothing is put before them.
        throw error instanceof DriverError && error.code.startsWith('port-')
          ? error
          : wrapError(`publishing ports of endpoint ${labelOf(state)}`, error, 'firewall-failed');
      }
    });
  }

  async revokePorts(ids: EndpointIds): Promise<void> {
    await this.#release(ids, revokePorts);
  }

  async #release(
    { networkId, endpointId }: EndpointIds,
    release: typeof revokePorts,
  ): Promise<void> {
    await this.#onEndpoint(networkId, endpointId, async () => {
      const state = this.#find({ networkId, endpointId });
      if (state === undefined) return;
      try {
        await inSandbox(this.world, state, async () => {
          await release(this.world, state);
          if (release === leaveNetwork) await this.world.containerRoutes.removeOf(state);
          await giveBack(this.world, state);
        });
      } catch (error) {
        const action = `releasing ports of endpoint ${labelOf(state)}`;
        throw wrapError(action, error, 'firewall-failed');
      }
    });
  }

  async #onEndpoint<T>(network: string, endpoint: string, work: () => Promise<T>): Promise<T> {
    await this.#ready(network, endpoint);
    return onEndpoint(this.world, network, endpoint, work);
  }

  /** Waits for recovery; throws if the record of one of these objects could not be read. */
  async #ready(...ids: readonly string[]): Promise<void> {
    await this.recovered;
    this.world.registry.unreadable.refuse(...ids);
  }

  #network(asked: AskedEndpoint): NetworkState {
    const state = this.world.registry.network(asked.networkId);
    if (state !== undefined) return state;
    const { removeNetwork } = this.world.frontEnds.of(asked).words;
    throw new DriverError(
      'network-unknown',
      `network ${shortId(asked.networkId)} is not known to tsbridge: its record is gone; ` +
        `remove it with "${removeNetwork}" and create it again`,
    );
  }

  /** undefined for an endpoint of another network: the call holds the lock of its own network only. */
  #find({ networkId, endpointId }: EndpointIds): EndpointState | undefined {
    const state = this.world.registry.endpoint(endpointId);
    return state?.network.spec.id === networkId ? state : undefined;
  }

  #endpoint(ids: EndpointIds): EndpointState {
    const state = this.#find(ids);
    // An endpoint that is `removing` stays registered only so that its removal is tried again.
    if (state !== undefined && state.record.phase !== 'removing') return state;
    throw new DriverError(
      'endpoint-unknown',
      `No endpoint (${shortId(ids.endpointId)}) exists: disconnect the container and connect it again`,
    );
  }
}

function labelOf({ spec, network }: EndpointState): string {
  return endpointLabel(spec, network.spec);
}
