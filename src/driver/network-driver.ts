/** The use cases, as the protocol layer calls them: one method for each call of the engine. */

import type { MacAddress } from '../core/address.js';
import type { EndpointId, InterfaceName, InterfacePrefix, NetworkId } from '../core/names.js';
import type { ContainerRoute } from '../core/network/network.js';
import type { PublishRequest } from '../core/options/port-options.js';
import type { OpenPort, PortBinding, Protocol } from '../core/ports/port.js';
import type { AskedEndpoint, AskedNetwork } from './front-end.js';
import type { ProcessId } from './host.js';

export interface EndpointIds {
  readonly networkId: NetworkId;
  readonly endpointId: EndpointId;
}

/** What the engine needs to finish a container's interface. */
export interface JoinResult {
  /** The container's end, still in the host's namespace: the engine moves it. */
  readonly interface: InterfaceName;
  readonly prefix: InterfacePrefix;
  readonly gateway: string | undefined;
  readonly gatewayIpv6: string | undefined;
  /** Routes that the engine adds in the container. */
  readonly routes?: readonly ContainerRoute[];
  /** The container shall have no way out by this network, nor by another that the engine adds for one. */
  readonly withoutGateway?: true;
}

/** What is known of an endpoint. */
export interface EndpointInfo {
  readonly mac: MacAddress;
  /** The host's end. */
  readonly link: InterfaceName;
  readonly bindings: readonly PortBinding[];
  /** Published without a host port. */
  readonly opened: readonly OpenPort[];
  readonly exposed: readonly { readonly protocol: Protocol; readonly port: number }[];
}

/**
 * Every method may be repeated and may run beside any other. All but `endpointInfo` wait until
 * recovery is done. What a failed call has done is undone before the error is thrown. `caller` is the
 * engine's process, undefined if that could not be found out: as long as it runs, its endpoints are never
 * taken for abandoned.
 */
export interface NetworkDriver {
  /** An engine has sent its first call. If it crashed before, it may not know its last networks any more. */
  engineStarted(): void;
  createNetwork(asked: AskedNetwork, caller?: ProcessId): Promise<void>;
  /** An unknown network is no error. */
  deleteNetwork(networkId: NetworkId): Promise<void>;
  /** Answers with the MAC address if the engine sent none. */
  createEndpoint(
    asked: AskedEndpoint,
    caller?: ProcessId,
  ): Promise<{ mac: MacAddress | undefined }>;
  /** An unknown endpoint is no error. */
  deleteEndpoint(ids: EndpointIds): Promise<void>;
  endpointInfo(ids: EndpointIds): Promise<EndpointInfo>;
  /**
   * @param readPorts as of {@link publishPorts}: Docker 29 opens ports in mode `routed` from here on;
   *   called only where that is so
   */
  join(
    ids: EndpointIds,
    sandboxKey: string,
    caller?: ProcessId,
    readPorts?: () => PublishRequest,
  ): Promise<JoinResult>;
  leave(ids: EndpointIds): Promise<void>;
  /** Replaces what was published before. */
  publishPorts(ids: EndpointIds, request: PublishRequest): Promise<void>;
  /** Nothing published is no error. */
  revokePorts(ids: EndpointIds): Promise<void>;
}
