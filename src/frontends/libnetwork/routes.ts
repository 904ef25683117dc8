/**
 * Every method of the remote driver protocol (docs/docker-bridge.md 7.4): which use case, which
 * answer.
 */
import { cidrText } from '../../core/address.js';
import { DriverError } from '../../core/errors.js';
import {
  type EndpointId,
  type NetworkId,
  parseEndpointId,
  parseNetworkId,
} from '../../core/names.js';
import type { ContainerRoute } from '../../core/network/network.js';
import { parseSkippedGateways } from '../../core/options/network-options.js';
import { parsePublish } from '../../core/options/port-options.js';
import { show } from '../../core/problems.js';
import type { ProcessId } from '../../driver/host.js';
import type { EndpointIds, JoinResult, NetworkDriver } from '../../driver/network-driver.js';
import { endpointValue } from './answer.js';
import { libnetwork } from './front-end.js';
import {
  type BodySchema,
  createEndpointBody,
  createNetworkBody,
  type EndpointBody,
  endpointBody,
  joinBody,
  type NetworkBody,
  networkBody,
  optionsBody,
  poolsOf,
  programBody,
} from './schema.js';

const { name: frontEnd } = libnetwork;

/** A call whose body has been understood. */
export interface Call {
  readonly networkId?: NetworkId;
  readonly endpointId?: EndpointId;
  /** The answer's JSON. */
  run(driver: NetworkDriver): Promise<object>;
  /** For calls that make something: removes it if it was made after the deadline. */
  undo?(driver: NetworkDriver): Promise<void>;
}

export interface Route {
  /** As in the URL, e.g. `NetworkDriver.Join`. */
  readonly method: string;
  /** undefined: the body does not matter, and may be empty. */
  readonly schema: BodySchema<unknown> | undefined;
  /**
   * @param body as the schema has it
   * @param caller the engine's process, if that could be found out
   * @throws DriverError `bad-request`
   */
  prepare(body: unknown, caller?: ProcessId): Call;
}

export const routes: readonly Route[] = [
  {
    method: 'Plugin.Activate',
    schema: undefined,
    prepare: () => ({
      run: async (driver) => {
        driver.engineStarted();
        return { Implements: ['NetworkDriver'] };
      },
    }),
  },
  // GwAllocChecker: isolated networks then need no gateway address (28; older engines ignore it).
  fixed('NetworkDriver.GetCapabilities', {
    Scope: 'local',
    ConnectivityScope: 'local',
    GwAllocChecker: true,
  }),
  route('NetworkDriver.GwAllocCheck', optionsBody, ({ Options }) => ({
    run: async () => {
      const skipped = parseSkippedGateways(Options ?? {});
      return { SkipIPv4: skipped.ipv4, SkipIPv6: skipped.ipv6 };
    },
  })),
  route('NetworkDriver.CreateNetwork', createNetworkBody, (body, caller) => {
    const networkId = networkIdOf(body);
    const input = {
      networkId,
      options: body.Options ?? {},
      ipv4Data: poolsOf(body.IPv4Data),
      ipv6Data: poolsOf(body.IPv6Data),
    };
    return {
      networkId,
      run: (driver) => empty(driver.createNetwork({ networkId, frontEnd, input }, caller)),
      undo: (driver) => driver.deleteNetwork(networkId),
    };
  }),
  route('NetworkDriver.DeleteNetwork', networkBody, (body) => {
    const networkId = networkIdOf(body);
    return { networkId, run: (driver) => empty(driver.deleteNetwork(networkId)) };
  }),
  route('NetworkDriver.CreateEndpoint', createEndpointBody, (body, caller) => {
    const ids = idsOf(body);
    const input = {
      ...ids,
      address: body.Interface?.Address ?? '',
      addressIpv6: body.Interface?.AddressIPv6 ?? '',
      mac: body.Interface?.MacAddress ?? '',
      options: body.Options ?? {},
    };
    return {
      ...ids,
      run: async (driver) => {
        const { mac } = await driver.createEndpoint({ ...ids, frontEnd, input }, caller);
        // The engine refuses an answer with a MAC address if it has sent one itself.
        return mac === undefined ? {} : { Interface: { MacAddress: mac } };
      },
      undo: (driver) => driver.deleteEndpoint(ids),
    };
  }),
  onEndpoint('NetworkDriver.DeleteEndpoint', (driver, ids) => empty(driver.deleteEndpoint(ids))),
  onEndpoint('NetworkDriver.EndpointOperInfo', async (driver, ids) => ({
    Value: endpointValue(await driver.endpointInfo(ids)),
  })),
  route('NetworkDriver.Join', joinBody, (body, caller) => {
    const ids = idsOf(body);
    const sandboxKey = body.SandboxKey ?? '';
    return {
      ...ids,
      run: async (driver) =>
        joinAnswer(
          await driver.join(ids, sandboxKey, caller, () => parsePublish(body.Options ?? {})),
        ),
    };
  }),
  onEndpoint('NetworkDriver.Leave', (driver, ids) => empty(driver.leave(ids))),
  route('NetworkDriver.ProgramExternalConnectivity', programBody, (body) => {
    const ids = idsOf(body);
    return {
      ...ids,
      run: async (driver) => empty(driver.publishPorts(ids, parsePublish(body.Options ?? {}))),
    };
  }),
  onEndpoint('NetworkDriver.RevokeExternalConnectivity', (driver, ids) =>
    empty(driver.revokePorts(ids)),
  ),
  // For drivers of global scope only; accepted, so that an engine that sends them goes on.
  fixed('NetworkDriver.DiscoverNew', {}),
  fixed('NetworkDriver.DiscoverDelete', {}),
  fixed('NetworkDriver.AllocateNetwork', { Options: {} }),
  fixed('NetworkDriver.FreeNetwork', {}),
];

/** Answered without the driver: never waits, not even for recovery. */
function fixed(method: string, answer: object): Route {
  return { method, schema: undefined, prepare: () => ({ run: async () => answer }) };
}

function route<Body>(
  method: string,
  schema: BodySchema<Body>,
  prepare: (body: Body, caller: ProcessId | undefined) => Call,
): Route {
  return { method, schema, prepare: (body, caller) => prepare(body as Body, caller) };
}

function onEndpoint(
  method: string,
  run: (driver: NetworkDriver, ids: EndpointIds) => Promise<object>,
): Route {
  return route(method, endpointBody, (body) => {
    const ids = idsOf(body);
    return { ...ids, run: (driver) => run(driver, ids) };
  });
}

const empty = async (work: Promise<void>) => {
  await work;
  return {};
};

/** Without a gateway the key is left out: the engine would parse an empty text as an address. */
function joinAnswer({
  interface: name,
  prefix,
  gateway,
  gatewayIpv6,
  routes,
  withoutGateway,
}: JoinResult): object {
  return {
    InterfaceName: { SrcName: name, DstPrefix: prefix },
    ...(gateway === undefined ? {} : { Gateway: gateway }),
    ...(gatewayIpv6 === undefined ? {} : { GatewayIPv6: gatewayIpv6 }),
    ...(routes === undefined ? {} : { StaticRoutes: routes.map(staticRoute) }),
    ...(withoutGateway === undefined ? {} : { DisableGatewayService: true }),
  };
}

/** libnetwork's types.NEXTHOP and types.CONNECTED. */
const routeType = { via: 0, dev: 1 } as const;

function staticRoute({ destination, via }: ContainerRoute): object {
  return {
    Destination: cidrText(destination),
    RouteType: via === undefined ? routeType.dev : routeType.via,
    ...(via === undefined ? {} : { NextHop: via }),
  };
}

function networkIdOf({ NetworkID }: NetworkBody): NetworkId {
  const id = parseNetworkId(NetworkID);
  if (id !== undefined) return id;
  throw new DriverError(
    'bad-request',
    `NetworkID ${show(NetworkID)} is not ${idForm}, nor an id of swarm`,
  );
}

function idsOf(body: EndpointBody): EndpointIds {
  const networkId = networkIdOf(body);
  const endpointId = parseEndpointId(body.EndpointID);
  if (endpointId !== undefined) return { networkId, endpointId };
  throw new DriverError('bad-request', `EndpointID ${show(body.EndpointID)} is not ${idForm}`);
}

const idForm = '64 lower-case hexadecimal digits';
