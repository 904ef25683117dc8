/**
 * The connection that the userland proxy makes to a container, for each connection that a client makes to a published
 * port.
 */
import { isUnspecified, parseIp } from '../../core/address.js';
import type { Explanation } from '../../core/explain/explain.js';
import type { Packet } from '../../core/explain/packet.js';
import { protocolNumber } from '../../core/ports/port.js';
import type { InventoryPort } from '../../operator/inventory/inventory.js';
import type { Resolver } from './resolve.js';

/**
 * The first packet of the connection that the proxy makes; undefined: the explained packet does not reach this host
 * itself, or no published port.
 */
export async function secondConnection(
  { alternatives }: Explanation,
  ports: () => Promise<readonly InventoryPort[]>,
  resolver: Resolver,
): Promise<Packet | undefined> {
  const arrived = alternatives.find(({ end }) => end.kind === 'host')?.packet;
  if (arrived === undefined || arrived.destinationPort === 0) return undefined;
  const port = (await ports()).find((each) => takes(each, arrived));
  const address = parseIp(port?.containerIp ?? '');
  if (port === undefined || address === undefined) return undefined;
  return resolver.packet({
    from: { kind: 'host' },
    to: {
      place: { kind: 'address', address },
      protocol: arrived.protocol,
      port: port.containerPort,
    },
    family: arrived.family,
    sourcePort: arrived.sourcePort,
  });
}

function takes({ protocol, hostIp, hostPort, path }: InventoryPort, packet: Packet): boolean {
  if (path === 'none' || hostPort !== packet.destinationPort) return false;
  const address = parseIp(hostIp);
  const isMeant =
    address !== undefined && (isUnspecified(address) || address === packet.destination);
  return isMeant && protocolNumber[protocol] === packet.protocol;
}
