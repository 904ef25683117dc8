/**
 * A second front end, which shares nothing with Docker's: inputs of another shape, ids that are written
 * otherwise, words of another command. It does not read what the first one keeps, nor the other way.
 */
import { cidrText, parseCidr } from '../../src/core/address.js';
import { parseEndpoint } from '../../src/core/options/endpoint-options.js';
import type { EndpointInput, NetworkInput } from '../../src/core/options/input.js';
import { parseNetwork } from '../../src/core/options/network-options.js';
import type { FrontEnd } from '../../src/driver/front-end.js';

/** `NET/ABCD…-…`: upper case, in four groups. */
const plainId = (kind: 'NET' | 'END', id: string): string =>
  `${kind}/${(id.toUpperCase().match(/.{1,16}/g) ?? []).join('-')}`;
const ownId = (text: string): string => text.replace(/^(NET|END)[/]|-/g, '').toLowerCase();

interface PlainNetwork {
  readonly net: string;
  readonly ranges: readonly { readonly range: string | null; readonly door: string | null }[];
  readonly sixes: PlainNetwork['ranges'];
  readonly wishes: readonly (readonly [string, unknown])[];
}

interface PlainEndpoint {
  readonly end: string;
  readonly on: string;
  readonly at: readonly string[];
  readonly mac: string | null;
  readonly wishes: PlainNetwork['wishes'];
  /** What the record does not keep. */
  readonly passing: PlainNetwork['wishes'];
}

const passingWishes = ['com.docker.network.portmap', 'com.docker.network.endpoint.exposedports'];

/** What a test says in Docker's way, as this front end would have been told it. */
export function plainNetwork({
  networkId,
  options,
  ipv4Data,
  ipv6Data,
}: NetworkInput): PlainNetwork {
  const ranges = (pools: NetworkInput['ipv4Data']) =>
    pools.map(({ pool, gateway }) => ({ range: pool ?? null, door: gateway ?? null }));
  return {
    net: plainId('NET', networkId),
    ranges: ranges(ipv4Data),
    sixes: ranges(ipv6Data),
    wishes: Object.entries(options),
  };
}

export function plainEndpoint(input: EndpointInput): PlainEndpoint {
  const all = Object.entries(input.options);
  return {
    end: plainId('END', input.endpointId),
    on: plainId('NET', input.networkId),
    at: [input.address, input.addressIpv6].filter((each) => each !== ''),
    mac: input.mac === '' ? null : input.mac,
    wishes: all.filter(([name]) => !passingWishes.includes(name)),
    passing: all.filter(([name]) => passingWishes.includes(name)),
  };
}

export const plain: FrontEnd = {
  name: 'plain',
  words: { removeNetwork: 'plainctl drop', listNetworks: 'plainctl nets' },
  readNetwork(input, settings, generation) {
    const { net, ranges, sixes, wishes } = input as PlainNetwork;
    const pools = (list: PlainNetwork['ranges']) =>
      list.map(({ range, door }) => ({
        ...(range === null ? {} : { pool: range }),
        ...(door === null ? {} : { gateway: door }),
      }));
    return parseNetwork(
      {
        networkId: ownId(net),
        options: Object.fromEntries(wishes),
        ipv4Data: pools(ranges),
        ipv6Data: pools(sixes),
      },
      settings,
      generation,
    );
  },
  readEndpoint(input, network) {
    const { end, on, at, mac, wishes } = input as PlainEndpoint;
    const address = (family: 4 | 6): string => {
      const found = at.map(parseCidr).find((each) => each?.family === family);
      return found === undefined ? '' : cidrText(found);
    };
    return parseEndpoint(
      {
        endpointId: ownId(end),
        networkId: ownId(on),
        address: address(4),
        addressIpv6: address(6),
        mac: mac ?? '',
        options: Object.fromEntries(wishes),
      },
      network,
    );
  },
  keepNetwork: (input) => JSON.parse(JSON.stringify(input)),
  keepEndpoint: (input) => {
    const { passing: _, ...rest } = input as PlainEndpoint;
    return JSON.parse(JSON.stringify(rest));
  },
};
