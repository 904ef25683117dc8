/** Which packets the doctor simulates: examples of what networks promise to carry, and of what bridges of others send. */
import { type Family, isUnspecified } from '../address.js';
import { firstPacket, ipProtocols } from '../explain/packet.js';
import { familiesOf, isManaged } from '../network/network.js';
import type { Facts, KnownNetwork, Link, PacketToSimulate } from './facts.js';
import { defaultDevices, otherAddress, stranger } from './places.js';

/** Published ports for which a packet is simulated, at most: a rule that refuses all ports is found with the first one. */
const mostPorts = 100;

export function packetsToSimulate({ records, links, routes }: Facts): PacketToSimulate[] {
  if (records === undefined || links === undefined || routes === undefined) return [];
  const ours = new Set<string>(
    records.networks.filter(({ spec }) => isManaged(spec)).map(({ spec }) => spec.bridge),
  );
  return ([4, 6] as const).flatMap((family) => {
    const [uplink] = defaultDevices(routes, family, 'main');
    const outside = stranger(links, family);
    if (uplink === undefined || outside === undefined || ours.has(uplink)) return [];
    const base = { family, protocol: ipProtocols.tcp, sourcePort: 40_000 };
    const outgoing = records.networks.flatMap((network) => {
      const source = containerAddress(network, family);
      if (source === undefined || network.spec.internal || !isManaged(network.spec)) return [];
      const { bridge } = network.spec;
      const packet = firstPacket({
        ...{ ...base, source, destination: outside, destinationPort: 443, inInterface: bridge },
      });
      return [{ kind: 'outgoing' as const, object: network.name, bridge, uplink, packet }];
    });
    const published = records.ports.slice(0, mostPorts).flatMap((port) => {
      const own = links.find(({ name }) => name === uplink)?.addresses;
      const address = isUnspecified(port.hostIp)
        ? own?.find((cidr) => cidr.family === family)?.address
        : own?.find((cidr) => cidr.address === port.hostIp)?.address;
      if (address === undefined || port.hostIp.includes(':') !== (family === 6)) return [];
      if (port.protocol !== 'tcp' && port.protocol !== 'udp') return [];
      const packet = firstPacket({
        ...{ ...base, protocol: ipProtocols[port.protocol], source: outside, destination: address },
        ...{ destinationPort: port.hostPort, inInterface: uplink },
      });
      const object = `${port.hostPort}/${port.protocol} of ${port.container}`;
      return [{ kind: 'published' as const, object, bridge: port.bridge, uplink, packet }];
    });
    const others = links.flatMap((link) => {
      const source = ours.has(link.name) ? undefined : guestOf(link, family);
      if (source === undefined || link.name === uplink) return [];
      const packet = firstPacket({
        ...{ ...base, source, destination: outside, destinationPort: 443, inInterface: link.name },
      });
      return [{ kind: 'others' as const, object: link.name, bridge: link.name, uplink, packet }];
    });
    return [...outgoing, ...published, ...others];
  });
}

function containerAddress({ spec }: KnownNetwork, family: Family) {
  const own = familiesOf(spec).find((each) => each.family === family);
  // Where the gateway is somebody else, or nobody, the host promises no way out.
  if (own?.gatewayMode === 'isolated' || (family === 4 && spec.inhibitIpv4)) return undefined;
  return own && otherAddress(own.bridgeAddress ?? own.subnet);
}

/** An address of a machine behind a bridge of others; undefined if the host has no address there, so is not its gateway. */
function guestOf({ kind, isUp, addresses }: Link, family: Family) {
  if (kind !== 'bridge' || !isUp) return undefined;
  const own = addresses.find((cidr) => cidr.family === family && !cidr.address.startsWith('fe80'));
  return own && otherAddress(own);
}
