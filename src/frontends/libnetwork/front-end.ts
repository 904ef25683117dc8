/** Docker's plugin protocol as the driver sees it: what it keeps of calls, and how that is read. */
import { DriverError } from '../../core/errors.js';
import { parseEndpoint } from '../../core/options/endpoint-options.js';
import type { EndpointInput, NetworkInput } from '../../core/options/input.js';
import { parseNetwork } from '../../core/options/network-options.js';
import { isOptionMap, type OptionMap, wellKnown } from '../../core/options/option-reader.js';
import type { FrontEnd } from '../../driver/front-end.js';

export const libnetwork: FrontEnd = {
  name: 'libnetwork',
  words: { removeNetwork: 'docker network rm', listNetworks: 'docker network ls' },
  readNetwork: (input, settings, generation) =>
    parseNetwork(networkInput(input), settings, generation),
  keepNetwork: asJson,
  keepEndpoint,
  readEndpoint: (input, network) => parseEndpoint(endpointInput(input), network),
};

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

/** A record is read as carefully as a call. */
function networkInput(value: unknown): NetworkInput {
  const input = object(value, 'input');
  return {
    networkId: text(input.networkId, 'networkId'),
    options: object(input.options, 'options'),
    ipv4Data: list(input.ipv4Data, 'ipv4Data').map((pool) => object(pool, 'ipv4Data')),
    ipv6Data: list(input.ipv6Data, 'ipv6Data').map((pool) => object(pool, 'ipv6Data')),
  };
}

function endpointInput(value: unknown): EndpointInput {
  const input = object(value, 'input');
  return {
    networkId: text(input.networkId, 'networkId'),
    endpointId: text(input.endpointId, 'endpointId'),
    address: text(input.address, 'address'),
    addressIpv6: text(input.addressIpv6, 'addressIpv6'),
    mac: text(input.mac, 'mac'),
    options: object(input.options, 'options'),
  };
}

function object(value: unknown, name: string): OptionMap {
  if (!isOptionMap(value)) throw unreadable(name, 'an object');
  return value;
}

function list(value: unknown, name: string): unknown[] {
  if (!Array.isArray(value)) throw unreadable(name, 'a list');
  return value;
}

function text(value: unknown, name: string): string {
  if (typeof value !== 'string') throw unreadable(name, 'a string');
  return value;
}

function unreadable(name: string, expected: string): DriverError {
  return new DriverError('record-unreadable', `field ${name} should be ${expected}`);
}
