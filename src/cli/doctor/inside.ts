/** Finds the published ports on which no program inside of the container listens. */
import type { DeafPort, KnownPort } from '../../core/doctor/facts.js';
import type { Containers } from '../../host/look/inside.js';
import { socketsAt } from '../inventory/view.js';

/** Most ports that are looked at: to read one network namespace takes about half a millisecond. */
const mostPorts = 2_000;

/** Leaves out ports of containers without a process, and of those whose sockets this process may not read. */
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
