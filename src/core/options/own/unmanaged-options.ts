/**
 * Refuses options that cannot go with `tsbridge.bridge=unmanaged`, each with what to do in place of it, and reads the
 * families of such a network. Its bridge may be the host's way to the LAN: it gets ports, and at most one rule.
 */
import { parseCidr } from '../../address.js';
import type { Families, NetworkFamily } from '../../network/network.js';
import type { Problems } from '../../problems.js';
import type { IpamPool, NetworkInput } from '../input.js';
import { labels, type NetworkLabels } from '../network-labels.js';
import { type FamilySettings, readPools } from '../network-pools.js';

const unmanaged = `${labels.bridgeKind}=unmanaged`;

interface Unfit {
  readonly label: string;
  readonly isGiven: (given: NetworkLabels) => boolean;
  /** Why the option cannot go with the kind of bridge, and what to do. */
  readonly reason: string;
}

const noNat = 'nothing is translated, since containers have addresses of the LAN: leave it out';
const noDrop = 'no rule drops what is sent to a container of the LAN: leave it out';
const noPorts =
  'no port of the host leads to a container, which is reached at its own address: leave it out';

const unfit: readonly Unfit[] = [
  {
    label: `${labels.icc}=false`,
    isGiven: ({ icc }) => icc === false,
    reason: `no rule drops inside of the bridge: use ${labels.portIsolation}=true`,
  },
  {
    label: `${labels.masquerade}=true`,
    isGiven: ({ masquerade }) => masquerade === true,
    reason: noNat,
  },
  { label: labels.hostIpv4, isGiven: ({ hostIpv4 }) => hostIpv4 !== undefined, reason: noNat },
  { label: labels.hostIpv6, isGiven: ({ hostIpv6 }) => hostIpv6 !== undefined, reason: noNat },
  {
    label: labels.gatewayMode4,
    isGiven: ({ gatewayMode4 }) => gatewayMode4 !== undefined,
    reason: 'the gateway is a router of the LAN (--gateway): leave it out',
  },
  {
    label: labels.gatewayMode6,
    isGiven: ({ gatewayMode6 }) => gatewayMode6 !== undefined,
    reason: 'the gateway is a router of the LAN (--gateway): leave it out',
  },
  {
    label: labels.hostBinding,
    isGiven: ({ hostBinding }) => hostBinding !== undefined,
    reason: noPorts,
  },
  { label: labels.portRules, isGiven: ({ portRules }) => portRules !== undefined, reason: noPorts },
  {
    label: `${labels.userlandProxy}=true`,
    isGiven: ({ userlandProxy }) => userlandProxy === true,
    reason: noPorts,
  },
  {
    label: labels.trustedHostInterfaces,
    isGiven: ({ trustedHostInterfaces }) => trustedHostInterfaces.length > 0,
    reason: noDrop,
  },
  {
    label: `${labels.allowDirectRouting}=false`,
    isGiven: ({ allowDirectRouting }) => allowDirectRouting === false,
    reason: noDrop,
  },
  {
    label: labels.mtu,
    isGiven: ({ mtu }) => mtu !== undefined && mtu !== 0,
    reason: 'containers get the MTU of the bridge: set it there (ip link set dev BRIDGE mtu BYTES)',
  },
];

/** Adds a problem for each option that cannot go with the kind of bridge. */
export function refuseUnfit(given: NetworkLabels, internal: boolean, problems: Problems): void {
  if (!given.unmanaged) {
    if (given.lanFirewall === undefined) return;
    problems.add(
      `${labels.lanFirewall}=${given.lanFirewall} needs ${unmanaged}: a bridge of ours has Docker's rules; ` +
        `leave it out, or use ${labels.iptables}=false for a network without rules`,
    );
    return;
  }
  const refuse = (what: string, reason: string): void =>
    problems.add(`${what} cannot go with ${unmanaged}: ${reason}`);
  if (given.bridge === undefined) {
    problems.add(
      `${unmanaged} needs ${labels.bridgeName}=BRIDGE, the name of a bridge that exists`,
    );
  }
  if (internal) {
    refuse('--internal', 'the bridge leads to the LAN, and no rule closes it: leave it out');
  }
  for (const { label, isGiven, reason } of unfit) if (isGiven(given)) refuse(label, reason);
}

/**
 * The families of a network on an unmanaged bridge: addresses and gateway are the LAN's, and the bridge is given none. A
 * family for which IPAM hands out no addresses (`--ipam-driver null`) is left out.
 */
export function lanFamilies(
  { ipv4Data, ipv6Data }: Pick<NetworkInput, 'ipv4Data' | 'ipv6Data'>,
  enabled: { readonly ipv4: boolean; readonly ipv6: boolean },
  [ipv4, ipv6]: readonly [FamilySettings, FamilySettings],
  problems: Problems,
): Families {
  const read = (pools: readonly IpamPool[], settings: FamilySettings) => {
    const family = pools.every(isEmpty) ? undefined : readPools(pools, settings, problems);
    return family && lanFamily(family);
  };
  return {
    ipv4: enabled.ipv4 ? read(ipv4Data, ipv4) : undefined,
    ipv6: enabled.ipv6 ? read(ipv6Data, ipv6) : undefined,
  };
}

/** Whether the pool is that of the IPAM driver `null`, which hands out no addresses. */
const isEmpty = ({ pool = '' }: IpamPool) => pool === '' || parseCidr(pool)?.prefixLength === 0;

const lanFamily = (family: NetworkFamily): NetworkFamily => ({
  ...family,
  bridgeAddress: undefined,
  hostAddress: undefined,
  // As in mode `routed`, containers are reached at their own addresses, and a published port opens no port of the host.
  gatewayMode: 'routed',
});
