/** Docker's plugin protocol as the driver sees it: what it keeps of calls, and how that is read. */
import { attachOptions } from '../../core/options/attach-options.js';
import { parseEndpoint } from '../../core/options/endpoint-options.js';
import type { EndpointInput, NetworkInput } from '../../core/options/input.js';
import { labels } from '../../core/options/network-labels.js';
import { parseNetwork } from '../../core/options/network-options.js';
import { wellKnown } from '../../core/options/option-reader.js';
import { acceptFromOptions } from '../../core/options/own/accept-from-options.js';
import { containerRouteOptions } from '../../core/options/own/container-route-options.js';
import { hostRouteOptions } from '../../core/options/own/host-route-options.js';
import { passageOptions } from '../../core/options/own/passage-options.js';
import { listField, objectField, textField } from '../../core/record-fields.js';
import { type FrontEnd, FrontEnds } from '../../driver/front-end.js';
import { leasedAs } from '../../driver/leases.js';

export const libnetwork: FrontEnd = {
  name: 'libnetwork',
  words: { removeNetwork: 'docker network rm', listNetworks: 'docker network ls' },
  readNetwork: (input, settings, generation) =>
    parseNetwork(networkInput(input), settings, generation),
  keepNetwork: asJson,
  keepEndpoint,
  readEndpoint: (input, network) => parseEndpoint(endpointInput(input), network),
};

/**
 * The front ends of this version: libnetwork's, and the same under another name for networks of connectivity tests,
 * which are created by the same calls.
 */
export const frontEnds = (): FrontEnds => new FrontEnds([libnetwork, leasedAs(libnetwork)]);

/** Leaves the ports out: the record has them as bindings, and other calls bring their own. */
function keepEndpoint(input: unknown): unknown {
  const { options, ...rest } = endpointInput(input);
  const ports: readonly string[] = [wellKnown.portMap, wellKnown.exposedPorts];
  const kept = Object.entries(options).filter(([name]) => !ports.includes(name));
  return asJson({ ...rest, options: Object.fromEntries(kept) });
}

function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/**
 * Options that another network does not get: the name of the bridge, of which there is one, and those that are about
 * particular addresses, routes and interfaces around the network. A second one with them would be refused, or it would
 * keep off others than the first one does, since the hosts around it have other addresses.
 */
const ofOneNetwork: readonly string[] = [
  labels.bridgeName,
  ...[
    containerRouteOptions,
    hostRouteOptions,
    passageOptions,
    acceptFromOptions,
    attachOptions,
  ].flatMap((group) => Object.values(group)),
];

/** The options of a network that another one can be created with. @param input what was kept of the first's call */
export function optionsForAnother(input: unknown): Readonly<Record<string, unknown>> {
  const { options } = networkInput(input);
  const without = (from: Readonly<Record<string, unknown>>) =>
    Object.fromEntries(Object.entries(from).filter(([name]) => !ofOneNetwork.includes(name)));
  const generic = options[wellKnown.generic];
  return {
    ...without(options),
    ...(generic === undefined || generic === null
      ? {}
      : { [wellKnown.generic]: without(objectField(generic, wellKnown.generic)) }),
  };
}

/** A record is read as carefully as a call. */
function networkInput(value: unknown): NetworkInput {
  const input = objectField(value, 'input');
  return {
    networkId: textField(input.networkId, 'networkId'),
    options: objectField(input.options, 'options'),
    ipv4Data: listField(input.ipv4Data, 'ipv4Data').map((pool) => objectField(pool, 'ipv4Data')),
    ipv6Data: listField(input.ipv6Data, 'ipv6Data').map((pool) => objectField(pool, 'ipv6Data')),
  };
}

function endpointInput(value: unknown): EndpointInput {
  const input = objectField(value, 'input');
  return {
    networkId: textField(input.networkId, 'networkId'),
    endpointId: textField(input.endpointId, 'endpointId'),
    address: textField(input.address, 'address'),
    addressIpv6: textField(input.addressIpv6, 'addressIpv6'),
    mac: textField(input.mac, 'mac'),
    options: objectField(input.options, 'options'),
  };
}
