/** Tells telemetry of ports that begin, or cease, to lead to an endpoint. */
import { bindingKey, type PortBinding } from '../../../core/ports/port.js';
import type { EndpointState } from '../../state/registry.js';
import { type PortsChanged, shownInEvent } from '../../telemetry.js';
import type { World } from '../../world.js';

export function tellPorts(
  { telemetry }: Pick<World, 'telemetry'>,
  kind: PortsChanged['kind'],
  { spec, network }: EndpointState,
  bindings: readonly PortBinding[],
  by: PortsChanged['by'] = 'docker',
): void {
  const count = bindings.length;
  if (count === 0) return;
  const first = bindings.slice(0, shownInEvent).map(bindingKey);
  telemetry.tell({ kind, by, network: network.spec.id, endpoint: spec.id, count, first });
}
