/** Which published ports nobody serves inside of their containers. */
import type { DeafPort, KnownPort } from '../../core/doctor/facts.js';
import type { Containers } from '../../host/look/inside.js';
import { socketsAt } from '../inventory/view.js';

/** Ports that are looked at, at most: a namespace takes about half a millisecond to read. */
const mostPorts = 2_000;

/** Ports of containers that nobody may look into, or that have no process, are left out. */
export function deafPorts(
  ports: readonly KnownPort[],
  containers: Pick<Containers, 'at'>,
): DeafPort[] {
  return ports.slice(0, mostPorts).flatMap((port): DeafPort[] => {
    const inside = port.sandbox === undefined ? undefined : containers.at(port.sandbox);
    if (inside === undefined) return [];
    const { all, serving } = socketsAt(inside, port);
    return serving.length > 0 ? [] : [{ port, on: all.map(({ address }) => address) }];
  });
}
