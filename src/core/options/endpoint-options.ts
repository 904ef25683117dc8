/** Reads the addresses and options of CreateEndpoint as an {@link EndpointSpec}. */
import {
  type Cidr,
  cidrText,
  contains,
  type Family,
  type MacAddress,
  parseCidr,
  parseMac,
} from '../address.js';
import { parseEndpointId, shortId, vethNames } from '../names.js';
import { gatewayClash, gatewaysOf } from '../network/container-routes.js';
import { defaultMac, type EndpointSpec } from '../network/endpoint.js';
import { familyIn, isManaged, type NetworkSpec } from '../network/network.js';
import { Problems, show, showId } from '../problems.js';
import type { EndpointInput } from './input.js';
import { labels } from './network-labels.js';
import { OptionReader, optionOf, ownNamespace, wellKnown } from './option-reader.js';
import {
  containerRouteOptions,
  readContainerRoutes,
  refuseGatewayClash,
} from './own/container-route-options.js';
import { hostRoutesOption, readHostRoutes } from './own/host-route-options.js';
import { limitOptions, readLimits, refuseLimits } from './own/limit-options.js';
import { endpointPassageOptions, readPassage, refusePassage } from './own/passage-options.js';

export interface ParsedEndpoint {
  readonly spec: EndpointSpec;
  /** Whether the engine chose the MAC address: it then refuses an answer that has one. */
  readonly macGiven: boolean;
  /** Options that were accepted and have no effect, a sentence each for the log. */
  readonly warnings: readonly string[];
}

/**
 * @param network the network that the endpoint shall be in
 * @throws DriverError `endpoint-invalid` with every problem
 */
export function parseEndpoint(input: EndpointInput, network: NetworkSpec): ParsedEndpoint {
  const problems = new Problems();
  const endpoint = readEndpoint(input, network, problems);
  const doing = `creating endpoint ${showId(input.endpointId)} on network ${showId(network.id)}`;
  return problems.resolve(endpoint, 'endpoint-invalid', doing);
}

/** undefined only if there are problems. */
function readEndpoint(
  input: EndpointInput,
  network: NetworkSpec,
  problems: Problems,
): ParsedEndpoint | undefined {
  const id = parseEndpointId(input.endpointId);
  if (id === undefined) {
    problems.add(`${show(input.endpointId)} is not an endpoint id: 64 hexadecimal digits`);
  }
  if (input.networkId !== network.id) {
    problems.add(`invalid network id ${show(input.networkId)}: expected ${network.id}`);
  }
  const ipv4 = readAddress(input.address, 4, network, problems);
  const given = readAddress(input.addressIpv6, 6, network, problems);
  // A container with IPv6 switched off does not use the address, which 29 may give to another container.
  const ipv6 = switchesIpv6Off(input) ? undefined : given;
  const mac = readMac(input, problems);
  const limits = readLimits(input.options, problems);
  if (limits !== undefined) refuseLimits(limits, network.limits ?? {}, network.mtu, problems);
  const passage = readPassage(input.options, 'endpoint', problems);
  if (passage !== undefined) {
    refusePassage(passage, { ...network, unmanaged: !isManaged(network) }, problems);
  }
  const portIsolation = new OptionReader(input.options, problems).boolean(labels.portIsolation);
  const hostRoutes = readHostRoutes(input.options, network, { ipv4, ipv6 }, problems);
  const routes = readContainerRoutes(input.options, network, problems);
  refuseGatewayClash(gatewayClash(gatewaysOf({ ipv4, ipv6, ...routes }, network)), problems);
  if (id === undefined) return undefined;
  const spec = {
    id,
    networkId: network.id,
    ipv4,
    ipv6,
    mac: mac ?? defaultMac(id, ipv4),
    veth: vethNames(id),
    ...(portIsolation === undefined ? {} : { portIsolation }),
    ...(limits === undefined ? {} : { limits }),
    ...(hostRoutes === undefined ? {} : { hostRoutes }),
    ...(passage === undefined ? {} : { passage }),
    ...routes,
  };
  return { spec, macGiven: input.mac !== '', warnings: unknownOptions(input) };
}

/**
 * Whether the settings of the endpoint's interface (`net.ipv6.conf.IFNAME.disable_ipv6=1,…`) switch IPv6 off;
 * the last one counts, as for the kernel. The engine itself applies these settings.
 */
function switchesIpv6Off(input: EndpointInput): boolean {
  const sysctls = optionOf(input.options, wellKnown.sysctls);
  if (typeof sysctls !== 'string') return false;
  const values = sysctls.split(',').flatMap((each) => {
    const [, value] =
      /^\s*net[./]ipv6[./]conf[./]IFNAME[./]disable_ipv6=(\S*)\s*$/.exec(each) ?? [];
    return value === undefined ? [] : [value];
  });
  return Number(values.at(-1) ?? 0) !== 0;
}

/**
 * Reads an address; undefined for an empty text, by which an engine keeps a family out of a container
 * (docs/docker-bridge.md 7.9).
 */
function readAddress(
  text: string,
  family: Family,
  network: NetworkSpec,
  problems: Problems,
): Cidr | undefined {
  if (text === '') return undefined;
  const address = parseCidr(text);
  const what = `IPv${family} address ${show(text)}`;
  if (address?.family !== family) {
    problems.add(`invalid ${what}: not an IPv${family} ADDRESS/PREFIX`);
    return undefined;
  }
  const settings = familyIn(network, family);
  if (settings === undefined) {
    problems.add(`${what}: network ${shortId(network.id)} has no IPv${family}`);
    return undefined;
  }
  const { subnet, bridgeAddress } = settings;
  if (!contains(subnet, address.address)) {
    problems.add(`${what} is not in the network's subnet ${cidrText(subnet)}`);
  } else if (address.address === bridgeAddress?.address && !carriesNoAddress(network, family)) {
    problems.add(`${what} is the address of the network's bridge ${network.bridge}`);
  }
  return address;
}

const carriesNoAddress = (network: NetworkSpec, family: Family) =>
  familyIn(network, family)?.gatewayMode === 'isolated' || (family === 4 && network.inhibitIpv4);

/** Reads the MAC address from the interface, or from the option that engines before 28 send as base64 of the bytes. */
function readMac(input: EndpointInput, problems: Problems): MacAddress | undefined {
  const option = optionOf(input.options, wellKnown.macAddress);
  if (input.mac !== '') {
    const mac = parseMac(input.mac);
    if (mac === undefined) {
      problems.add(`invalid MAC address ${show(input.mac)}: not a unicast aa:bb:cc:dd:ee:ff`);
    }
    return mac;
  }
  if (option === undefined || option === null || option === '') return undefined;
  const mac = typeof option === 'string' ? macFromBase64(option) : undefined;
  if (mac === undefined) {
    problems.add(
      'trying to create an endpoint with an invalid endpoint configuration: ' +
        `${wellKnown.macAddress}=${show(option)} is not a unicast MAC address (base64 of 6 bytes)`,
    );
  }
  return mac;
}

function macFromBase64(text: string): MacAddress | undefined {
  if (!/^[A-Za-z0-9+/]{8}$/.test(text)) return undefined;
  return parseMac((Buffer.from(text, 'base64').toString('hex').match(/../g) ?? []).join(':'));
}

const known: readonly string[] = [
  ...Object.values(limitOptions),
  ...Object.values(endpointPassageOptions),
  labels.portIsolation,
  hostRoutesOption,
  ...Object.values(containerRouteOptions),
];

/**
 * Unknown options that begin with `tsbridge.`. Unlike those of a network they are no errors: they come while
 * a container starts, perhaps with an older tsbridge than the one for which they were given.
 */
function unknownOptions(input: EndpointInput): string[] {
  return Object.keys(input.options)
    .filter((name) => name.startsWith(ownNamespace) && !known.includes(name))
    .map((name) => `endpoint option ${show(name)} is not known and has no effect`);
}
