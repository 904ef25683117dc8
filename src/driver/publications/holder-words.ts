/** Who has the port that an operator asks for, by the names that the operator knows. */
import { familyOf, isUnspecified } from '../../core/address.js';
import { DriverError } from '../../core/errors.js';
import { hostAndPort, type PortBinding } from '../../core/ports/port.js';
import { ownerOfPublished, type Publication } from '../../core/publications/publication.js';
import type { Containers } from '../host.js';
import type { EndpointState } from '../state/registry.js';
import type { World } from '../world.js';
import { networkText } from './find.js';

/**
 * The error of a port that another container has, with the container's name; any other error as it is. The
 * allocator knows endpoints only, and the names are not its business.
 */
export function nameHolder(
  { registry }: Pick<World, 'registry'>,
  containers: Containers,
  { requests, id }: Publication,
  error: unknown,
): unknown {
  if (!(error instanceof DriverError) || error.code !== 'port-allocated') return error;
  for (const state of registry.endpoints()) {
    const { record } = state;
    for (const binding of record.bindings) {
      if (!clashes(requests, binding)) continue;
      return taken(binding, engineHolder(containers, state), error);
    }
    for (const { publication, bindings } of record.added) {
      const known = registry.publications.get(publication);
      const binding = bindings.find((each) => clashes(requests, each));
      if (publication === id || known === undefined || binding === undefined) continue;
      const { name, wayOut } = ownerOfPublished(known);
      return taken(binding, `by ${name}; ${wayOut}`, error);
    }
  }
  return error;
}

function engineHolder(containers: Containers, state: EndpointState): string {
  const { spec, record } = state;
  const name = containers.of(spec.id)?.name ?? `endpoint ${spec.id.slice(0, 12)}`;
  const since = record.publishedAt === undefined ? '' : ` (since ${record.publishedAt})`;
  const where = `on network ${networkText(containers, state)}`;
  return `by ${name}${since} ${where}; publish another host port, or stop that container`;
}

function taken({ hostIp, hostPort }: PortBinding, by: string, cause: DriverError): DriverError {
  const where = isUnspecified(hostIp) ? `${hostPort}` : hostAndPort(hostIp, hostPort);
  return new DriverError('port-allocated', `port ${where} is published ${by}`, { cause });
}

function clashes(requests: Publication['requests'], binding: PortBinding): boolean {
  const { protocol, hostIp, hostPort } = binding;
  return requests.some((request) => {
    const { hostPorts, hostIp: wanted } = request;
    // Of a range that is full, the ports can be many containers': none is named.
    if (hostPorts?.first !== hostPort || hostPorts.last !== hostPort) return false;
    if (request.protocol !== protocol) return false;
    if (wanted === undefined || isUnspecified(hostIp)) return true;
    return wanted === hostIp || (isUnspecified(wanted) && familyOf(wanted) === familyOf(hostIp));
  });
}
