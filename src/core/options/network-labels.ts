/** The labels of `docker network create -o` (docs/docker-bridge.md 6.1), one by one. */
import type { IpAddress } from '../address.js';
import {
  type InterfaceName,
  type InterfacePrefix,
  parseInterfaceName,
  parseInterfacePrefix,
} from '../names.js';
import { didYouMean } from '../nearest.js';
import {
  type AcceptedSource,
  type Announcement,
  type Attachment,
  announcements,
  attachments,
  bridgeKinds,
  type GatewayMode,
  gatewayModes,
  type LanFirewall,
  lanFirewalls,
  type NdpProxy,
  type PortRules,
  portRuleKinds,
  type RemoteRoute,
} from '../network/network.js';
import { type Problems, show } from '../problems.js';
import { attachOptions, readParent } from './attach-options.js';
import {
  type OptionMap,
  OptionReader,
  optionOf,
  ownNamespace,
  wellKnown,
} from './option-reader.js';
import { acceptFromOptions, readAcceptFrom } from './own/accept-from-options.js';
import { containerRouteOptions } from './own/container-route-options.js';
import { hostRouteOptions, readNdpProxy, readRemoteRoutes } from './own/host-route-options.js';
import { limitOptions } from './own/limit-options.js';
import { passageOptions } from './own/passage-options.js';

export const labels = {
  bridgeName: 'com.docker.network.bridge.name',
  masquerade: 'com.docker.network.bridge.enable_ip_masquerade',
  icc: 'com.docker.network.bridge.enable_icc',
  hostBinding: 'com.docker.network.bridge.host_binding_ipv4',
  defaultBridge: 'com.docker.network.bridge.default_bridge',
  inhibitIpv4: 'com.docker.network.bridge.inhibit_ipv4',
  gatewayMode4: 'com.docker.network.bridge.gateway_mode_ipv4',
  gatewayMode6: 'com.docker.network.bridge.gateway_mode_ipv6',
  trustedHostInterfaces: 'com.docker.network.bridge.trusted_host_interfaces',
  mtu: 'com.docker.network.driver.mtu',
  containerPrefix: 'com.docker.network.container_iface_prefix',
  hostIpv4: 'com.docker.network.host_ipv4',
  hostIpv6: 'com.docker.network.host_ipv6',
  // Docker has these only as settings of the daemon, for all networks at once.
  allowDirectRouting: 'tsbridge.allow_direct_routing',
  ipForward: 'tsbridge.ip_forward',
  ipForwardNoDrop: 'tsbridge.ip_forward_no_drop',
  userlandProxy: 'tsbridge.userland_proxy',
  iptables: 'tsbridge.iptables',
  ip6tables: 'tsbridge.ip6tables',
  // Docker does not have these.
  portRules: 'tsbridge.port_rules',
  portIsolation: 'tsbridge.port_isolation',
  bridgeKind: 'tsbridge.bridge',
  lanFirewall: 'tsbridge.firewall',
  ...limitOptions,
  ...hostRouteOptions,
  ...passageOptions,
  ...containerRouteOptions,
  ...acceptFromOptions,
  ...attachOptions,
} as const;

/** How often engines from 28 on tell neighbours of a container's addresses: 0 to 3 times. */
const advertisements = 'com.docker.network.advertise_addr_nmsgs';
/** Labels that the engine itself acts on or that a well-known option overrides. */
const engineLabels = [
  wellKnown.enableIpv4,
  wellKnown.enableIpv6,
  advertisements,
  'com.docker.network.advertise_addr_ms',
];
const knownLabels: readonly string[] = [...Object.values(labels), ...engineLabels];
const dockerNamespace = 'com.docker.network.';

/** What the labels say; undefined for each that is not given (or not understood). */
export interface NetworkLabels {
  readonly bridge: InterfaceName | undefined;
  readonly masquerade: boolean | undefined;
  readonly icc: boolean | undefined;
  readonly hostBinding: IpAddress | undefined;
  readonly inhibitIpv4: boolean | undefined;
  readonly gatewayMode4: GatewayMode | undefined;
  readonly gatewayMode6: GatewayMode | undefined;
  readonly trustedHostInterfaces: readonly InterfaceName[];
  /** The MTU as given. Its bounds are checked elsewhere, since they depend on the families of the network. */
  readonly mtu: number | undefined;
  readonly containerPrefix: InterfacePrefix | undefined;
  readonly hostIpv4: IpAddress | undefined;
  readonly hostIpv6: IpAddress | undefined;
  readonly allowDirectRouting: boolean | undefined;
  readonly ipForward: boolean | undefined;
  readonly ipForwardNoDrop: boolean | undefined;
  readonly userlandProxy: boolean | undefined;
  readonly iptables: boolean | undefined;
  readonly ip6tables: boolean | undefined;
  readonly portRules: PortRules | undefined;
  readonly portIsolation: boolean | undefined;
  readonly unmanaged: boolean;
  readonly lanFirewall: LanFirewall | undefined;
  readonly remoteRoutes: readonly RemoteRoute[] | undefined;
  readonly announce: Announcement | undefined;
  readonly ndpProxy: NdpProxy | undefined;
  readonly attach: Attachment | undefined;
  readonly parent: InterfaceName | undefined;
  readonly acceptFrom: readonly AcceptedSource[] | undefined;
  /** false: neighbours are told of no container. */
  readonly advertised: boolean;
  readonly enableIpv4: boolean | undefined;
  readonly enableIpv6: boolean | undefined;
}

export function readLabels(options: OptionMap, problems: Problems): NetworkLabels {
  const read = new OptionReader(options, problems);
  const mode = (name: string) => oneOf(read, name, 'gateway mode', gatewayModes);
  if (read.boolean(labels.defaultBridge) === true) {
    const why = 'marks docker0, which only the built-in bridge driver makes; leave the option out';
    problems.add(`${labels.defaultBridge}=true ${why}`);
  }
  return {
    bridge: unlessEmpty(
      read,
      labels.bridgeName,
      parseInterfaceName,
      'not an interface name: 1 to 15 bytes without space, control characters, and any of / : % " \' # \\, ' +
        'no "-" or "!" first, no "+" last',
    ),
    masquerade: read.boolean(labels.masquerade),
    icc: read.boolean(labels.icc),
    hostBinding: read.address(labels.hostBinding),
    inhibitIpv4: read.boolean(labels.inhibitIpv4),
    gatewayMode4: mode(labels.gatewayMode4),
    gatewayMode6: mode(labels.gatewayMode6),
    trustedHostInterfaces: trustedInterfaces(read),
    mtu: read.integer(labels.mtu),
    containerPrefix: unlessEmpty(
      read,
      labels.containerPrefix,
      parseInterfacePrefix,
      'not a prefix of interface names: 1 to 12 letters, digits, ".", "_", "-" or "@", ' +
        'not ending in a digit',
    ),
    hostIpv4: read.address(labels.hostIpv4, 4),
    hostIpv6: read.address(labels.hostIpv6, 6),
    allowDirectRouting: read.boolean(labels.allowDirectRouting),
    ipForward: read.boolean(labels.ipForward),
    ipForwardNoDrop: read.boolean(labels.ipForwardNoDrop),
    userlandProxy: read.boolean(labels.userlandProxy),
    iptables: read.boolean(labels.iptables),
    ip6tables: read.boolean(labels.ip6tables),
    portRules: oneOf(read, labels.portRules, 'kind of port rules', portRuleKinds),
    portIsolation: read.boolean(labels.portIsolation),
    unmanaged: oneOf(read, labels.bridgeKind, 'kind of bridge', bridgeKinds) === 'unmanaged',
    lanFirewall: oneOf(read, labels.lanFirewall, 'firewall', lanFirewalls),
    remoteRoutes: readRemoteRoutes(read),
    acceptFrom: readAcceptFrom(read),
    ndpProxy: readNdpProxy(read),
    attach: oneOf(read, labels.attach, 'way of attaching', attachments),
    parent: readParent(read),
    announce: oneOf(read, labels.announce, 'way of announcing', announcements),
    // The engine reads it, too, and refuses what is no number.
    advertised: optionOf(options, advertisements) !== '0',
    enableIpv4: read.boolean(wellKnown.enableIpv4),
    enableIpv6: read.boolean(wellKnown.enableIpv6),
  };
}

/** An empty name is what Docker takes for "not given". */
function unlessEmpty<T>(
  read: OptionReader,
  name: string,
  parse: (text: string) => T | undefined,
  reason: string,
): T | undefined {
  return read.text(name) === '' ? undefined : read.parsed(name, parse, reason);
}

function oneOf<T extends string>(
  read: OptionReader,
  name: string,
  what: string,
  known: readonly T[],
): T | undefined {
  const text = read.text(name);
  if (text === undefined) return undefined;
  const match = known.find((word) => word === text);
  if (match !== undefined) return match;
  const accepted = `use ${known.slice(0, -1).join(', ')} or ${known.at(-1)}`;
  const hint = didYouMean(text, known);
  read.refuse(name, text, `unknown ${what} ${show(text)}: ${accepted}${hint}`);
  return undefined;
}

/** Names joined with `:`; empty ones are skipped, as Docker does. */
function trustedInterfaces(read: OptionReader): InterfaceName[] {
  const name = labels.trustedHostInterfaces;
  const words = (read.text(name) ?? '').split(':').filter((word) => word !== '');
  return [...new Set(words)].flatMap((word) => {
    const parsed = parseInterfaceName(word);
    if (parsed === undefined) {
      read.refuse(name, word, 'not an interface name: use names joined with ":"');
      return [];
    }
    return [parsed];
  });
}

/**
 * What {@link readLabels} did not read has no effect. Unknown options of our own are problems.
 *
 * @returns a warning for each label that looks like Docker's and is not: it is likely a mistake
 */
export function unknownLabels(options: OptionMap, problems: Problems): string[] {
  const unknown = Object.keys(options).filter((name) => !knownLabels.includes(name));
  for (const name of unknown.filter((name) => name.startsWith(ownNamespace))) {
    const value = show(optionOf(options, name));
    problems.add(`unknown network option ${show(name)}=${value}${suggestion(name)}`);
  }
  return unknown
    .filter((name) => name.startsWith(dockerNamespace))
    .map((name) => `option ${show(name)} is not known and has no effect${suggestion(name)}`);
}

/** Compares the last part of the name: people write `tsbridge.mtu`, or forget the part before `name`. */
function suggestion(name: string): string {
  const byTail = new Map(knownLabels.map((label) => [tail(label), label]));
  return didYouMean(tail(name), [...byTail.keys()], (near) => byTail.get(near) ?? near);
}

const tail = (name: string) => name.slice(name.lastIndexOf('.') + 1);
