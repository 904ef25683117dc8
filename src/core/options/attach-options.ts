/**
 * `tsbridge.attach=proxy`: containers have addresses of a LAN, and the interface that leads to it stays as it is. The host
 * answers there for each of them (proxy ARP and proxy NDP), and routes what comes to their bridge. So it also works where
 * an interface cannot be a port of a bridge, as with Wi-Fi, or where a provider lets only one MAC address pass.
 */
import { type Cidr, cidrText, contains } from '../address.js';
import { type InterfaceName, parseInterfaceName } from '../names.js';
import { type Attachment, familyIn, type NetworkSpec } from '../network/network.js';
import type { Problems } from '../problems.js';
import type { OptionReader } from './option-reader.js';

export const attachOptions = { attach: 'tsbridge.attach', parent: 'tsbridge.parent' } as const;
const proxy = `${attachOptions.attach}=proxy`;

/** undefined if the option is not given. */
export function readParent(read: OptionReader): InterfaceName | undefined {
  return read.parsed(
    attachOptions.parent,
    parseInterfaceName,
    "not an interface name: use that of the host's interface on whose LAN containers get addresses",
  );
}

/** The options of a network that count here. */
interface Given {
  readonly attach: Attachment | undefined;
  readonly parent: InterfaceName | undefined;
  readonly unmanaged: boolean;
  readonly masquerade: boolean | undefined;
  readonly inhibitIpv4: boolean | undefined;
  readonly hostIpv4: unknown;
  readonly hostIpv6: unknown;
  readonly ndpProxy: unknown;
}

const ownAddress = 'containers leave the host with their own addresses, which are of the LAN';

/** Adds a problem for each option that cannot go with the way of attaching. */
export function refuseAttach(given: Given, internal: boolean, problems: Problems): void {
  const { attach, parent } = given;
  if (attach !== 'proxy') {
    if (parent !== undefined) {
      problems.add(
        `${attachOptions.parent}=${parent} needs ${proxy}: add it, or leave the parent out`,
      );
    }
    return;
  }
  if (parent === undefined) {
    problems.add(
      `${proxy} needs ${attachOptions.parent}=INTERFACE, the host's interface on whose LAN containers get addresses`,
    );
  }
  const unfit: readonly (readonly [boolean, string, string])[] = [
    [internal, '--internal', 'such a network has no way in or out'],
    [
      given.unmanaged,
      'tsbridge.bridge=unmanaged',
      'containers on the bridge of a LAN answer for themselves',
    ],
    [given.masquerade === true, 'com.docker.network.bridge.enable_ip_masquerade=true', ownAddress],
    [given.hostIpv4 !== undefined, 'com.docker.network.host_ipv4', ownAddress],
    [given.hostIpv6 !== undefined, 'com.docker.network.host_ipv6', ownAddress],
    [
      given.inhibitIpv4 === true,
      'com.docker.network.bridge.inhibit_ipv4=true',
      "the bridge's address is the containers' gateway",
    ],
    [
      given.ndpProxy !== undefined,
      'tsbridge.ndp_proxy',
      `${attachOptions.parent} says where the host answers`,
    ],
  ];
  for (const [isGiven, what, reason] of unfit) {
    if (isGiven) problems.add(`${what} cannot go with ${proxy}: ${reason}: leave it out`);
  }
}

/** The network as it is with `tsbridge.attach=proxy`; without it, as it was. */
export function attached(
  spec: NetworkSpec,
  { attach, parent }: Pick<Given, 'attach' | 'parent'>,
): NetworkSpec {
  if (attach !== 'proxy' || parent === undefined) return spec;
  return {
    ...spec,
    parent,
    masquerade: false,
    // As on every LAN, whoever is on it reaches all ports. Other networks of the host do not.
    acceptFrom: spec.acceptFrom ?? [{ interface: parent }],
  };
}

/**
 * Why a network cannot have its parent, with what to do; undefined: it can.
 *
 * @param addresses those of the parent; undefined: there is no such interface
 */
export function parentObstacle(
  network: NetworkSpec,
  addresses: readonly Cidr[] | undefined,
): string | undefined {
  const { parent } = network;
  if (parent === undefined) return undefined;
  const what = `${attachOptions.parent}=${parent}`;
  if (addresses === undefined) return `${what}: there is no such interface (ip -brief link)`;
  for (const own of addresses) {
    const subnet = familyIn(network, own.family)?.subnet;
    if (subnet === undefined || !contains(subnet, own.address)) continue;
    return (
      `${what}: its own address ${cidrText(own)} is in the network's subnet ${cidrText(subnet)}, so the host would look for the whole LAN on the network's bridge: ` +
      'give --subnet a part of the LAN that only containers have addresses of, e.g. a /28'
    );
  }
  return undefined;
}
