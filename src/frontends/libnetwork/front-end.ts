/** Docker's plugin protocol as the driver sees it: what it keeps of calls, and how that is read. */
import { parseEndpoint } from '../../core/options/endpoint-options.js';
import type { EndpointInput, NetworkInput } from '../../core/options/input.js';
import { parseNetwork } from '../../core/options/network-options.js';
import { wellKnown } from '../../core/options/option-reader.js';
import { listField, objectField, textField } from '../../core/record-fields.js';
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
