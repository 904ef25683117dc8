/**
 * The order of an endpoint's published ports, as Docker 28 and 29 have it (docs/docker-bridge.md
 * 3.2).
 */
import { addressBytes, familyOf, type IpAddress, isUnspecified } from '../address.js';
import { type PortRequest, protocolNumber } from './port.js';
import type { PortGroup } from './requests.js';

type Addresses = PortGroup['addresses'][number];

/**
 * Exact host ports come before ranges and ephemeral ones, which could take them; then by container
 * port, protocol number, host ports and host address. What differs only in the host address gets
 * one host port: `-p 127.0.0.1::80 -p [::1]::80` is one group.
 */
export function orderPortGroups(groups: readonly PortGroup[]): PortGroup[] {
  const ordered = groups
    .map(({ request, addresses }) => ({
      request,
      addresses: addresses.toSorted((a, b) => compareAddresses(a.hostIp, b.hostIp)),
    }))
    .sort((a, b) => comparePorts(a.request, b.request) || compareFirst(a, b));
  const merged: PortGroup[] = [];
  for (const group of ordered) {
    const last = merged.at(-1);
    if (last === undefined || !samePort(last, group)) merged.push(group);
    else merged[merged.length - 1] = merge(last, group);
  }
  return merged;
}

/** As `Array.sort` wants it. An ephemeral port is Docker's 0. */
function comparePorts(a: PortRequest, b: PortRequest): number {
  return (
    Number(!isExact(a)) - Number(!isExact(b)) ||
    a.containerPort - b.containerPort ||
    protocolNumber[a.protocol] - protocolNumber[b.protocol] ||
    (a.hostPorts?.first ?? 0) - (b.hostPorts?.first ?? 0) ||
    (a.hostPorts?.last ?? 0) - (b.hostPorts?.last ?? 0)
  );
}

function isExact({ hostPorts }: PortRequest): boolean {
  return hostPorts !== undefined && hostPorts.first === hostPorts.last;
}

function compareFirst(a: PortGroup, b: PortGroup): number {
  const [first, second] = [a.addresses[0], b.addresses[0]];
  return first && second ? compareAddresses(first.hostIp, second.hostIp) : 0;
}

/** IPv4 before IPv6, then by value. */
function compareAddresses(a: IpAddress, b: IpAddress): number {
  return familyOf(a) - familyOf(b) || Buffer.compare(Buffer.from(addressBytes(a)), addressBytes(b));
}

/** Groups become one only if no address of one covers an address of the other: those need different ports. */
function samePort(a: PortGroup, b: PortGroup): boolean {
  const clash = ({ hostIp }: Addresses) =>
    b.addresses.some(
      (other) =>
        familyOf(other.hostIp) === familyOf(hostIp) &&
        (other.hostIp === hostIp || isUnspecified(other.hostIp) || isUnspecified(hostIp)),
    );
  return comparePorts(a.request, b.request) === 0 && !a.addresses.some(clash);
}

function merge(a: PortGroup, b: PortGroup): PortGroup {
  return {
    // The merged request must name an address if one of the two did: only an implicit `::` may be left out.
    request: { ...a.request, hostIp: a.request.hostIp ?? b.request.hostIp },
    addresses: [...a.addresses, ...b.addresses].sort((x, y) =>
      compareAddresses(x.hostIp, y.hostIp),
    ),
  };
}
