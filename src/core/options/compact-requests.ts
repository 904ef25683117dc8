/** What a network with `tsbridge.port_rules=compact` refuses to publish, and why. */
import type { PortRules } from '../network/network.js';
import type { Port, PortRequest } from '../ports/port.js';
import type { PortGroup } from '../ports/requests.js';
import { findRuns, joins } from '../ports/runs.js';
import { Problems } from '../problems.js';
import { labels } from './network-labels.js';

/**
 * Refuses consecutive ports that cannot share a rule. Single ports and those for which any free host port
 * will do (`-P`, `-p 80`) are never refused: each gets rules of its own, as with Docker.
 *
 * @throws DriverError `options-invalid`, with every range that is refused
 */
export function refuseSeparate(groups: readonly PortGroup[], kind: PortRules): void {
  if (!joins(kind)) return;
  const problems = new Problems();
  const separate: SeparateRequest[] = [];
  for (const { request } of groups) {
    const { hostPorts, containerPort, protocol } = request;
    if (hostPorts === undefined) continue;
    if (hostPorts.first === hostPorts.last) {
      const reason = whySeparate(request, hostPorts.first, kind);
      if (reason !== undefined) separate.push({ ...request, hostPort: hostPorts.first, reason });
    } else {
      problems.add(
        `host ports ${hostPorts.first}-${hostPorts.last} for container port ` +
          `${containerPort}/${protocol}: one of them would be chosen, and a rule for a range needs ` +
          'as many container ports; publish one host port',
      );
    }
  }
  const runs = findRuns(
    separate,
    ({ protocol, hostIp, hostPort, containerPort }) =>
      `${protocol} ${hostIp} ${containerPort - hostPort}`,
    ({ hostPort }) => hostPort,
  );
  for (const { first, last } of runs) {
    if (first === last) continue;
    problems.add(
      `host ports ${first.hostPort}-${last.hostPort} for container ports ` +
        `${first.containerPort}-${last.containerPort}/${first.protocol}: ${first.reason}`,
    );
  }
  problems.resolve(true, 'options-invalid', `${labels.portRules}=${kind}`);
}

/** A port that cannot share a rule with its neighbours, if it has any. */
interface SeparateRequest extends PortRequest {
  readonly hostPort: Port;
  readonly reason: string;
}

function whySeparate(
  { protocol, containerPort }: PortRequest,
  hostPort: Port,
  kind: PortRules,
): string | undefined {
  const other = `use a network with ${labels.portRules}=docker`;
  if (protocol === 'sctp') return `rules for a range are written for TCP and UDP only; ${other}`;
  if (hostPort === containerPort || kind === 'compact-shifted') return undefined;
  return (
    'a rule for a range whose numbers differ leads a client that uses one source port with two ' +
    'addresses of the host to a neighbouring port; publish equal numbers, accept that with ' +
    `${labels.portRules}=compact-shifted, or ${other}`
  );
}
