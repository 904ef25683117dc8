/**
 * Keeps sockets of guarded ports (`tsbridge.publish_from`) closed after a start that could not write the guards. The
 * process that holds ports accepts connections from everybody, and only rules keep unwanted senders away. So these
 * sockets stay closed until a repair has written the rules.
 */
import { familyOf, isLoopback } from '../../../core/address.js';
import { shortId } from '../../../core/names.js';
import { bindingKey, type PortBinding } from '../../../core/ports/port.js';
import { type EndpointState, hostPortsOf } from '../../state/registry.js';
import { portsHeldBack, portsLetIn } from '../../state/transitions.js';
import type { World } from '../../world.js';
import { onEndpoint } from '../on-endpoint.js';
import { isGuardedEndpoint } from '../passage.js';
import { listenerOf } from './bind-ports.js';
import { inSandbox } from './siblings.js';

type Guarding = Pick<World, 'rules'>;

/** The host ports of an endpoint whose sockets may be open: all but those whose guards are missing. */
export function openablePorts(world: Guarding, state: EndpointState): readonly PortBinding[] {
  const bindings = hostPortsOf(state.record);
  if (!isGuardedEndpoint(state)) return bindings;
  return bindings.filter((binding) => whyHeldBack(world, state, binding) === undefined);
}

/** Why the socket of a port stays closed, as the end of a sentence; undefined: it may be open. */
function whyHeldBack(
  { rules }: Guarding,
  { network, heldBack }: EndpointState,
  { hostIp }: PortBinding,
): string | undefined {
  // Without the proxy no socket is open at the port, and only the host itself reaches a loopback address.
  if (!network.spec.userlandProxy || isLoopback(hostIp)) return undefined;
  if (heldBack === true) return 'the rules that guard it could not be written yet';
  return rules.whyUnguarded(familyOf(hostIp));
}

/** One line, for people, for each port whose socket stays closed because its guards are missing. */
export function heldBackPorts(world: Guarding & Pick<World, 'registry'>): string[] {
  return world.registry.endpoints().flatMap((state) => {
    if (!isGuardedEndpoint(state)) return [];
    return hostPortsOf(state.record).flatMap((binding) => {
      const why = whyHeldBack(world, state, binding);
      if (why === undefined) return [];
      const port = `published port ${bindingKey(binding)} of endpoint ${shortId(state.spec.id)}`;
      return [`${port} is kept closed: tsbridge.publish_from cannot be kept, since ${why}`];
    });
  });
}

/** Call it when the guards of ports are not on the host: from then on, no start opens a socket of a guarded port. */
export function holdBack({ registry }: Pick<World, 'registry'>): void {
  for (const state of registry.endpoints()) if (isGuardedEndpoint(state)) portsHeldBack(state);
}

/**
 * Opens the sockets that {@link holdBack} has kept closed. Call it when a repair has written all rules of both
 * families.
 */
export async function openHeldBack(
  world: Pick<
    World,
    'endpointLocks' | 'hostPorts' | 'log' | 'networkLocks' | 'registry' | 'rules' | 'sandboxLocks'
  >,
): Promise<void> {
  for (const state of world.registry.endpoints()) {
    if (state.heldBack !== true) continue;
    const { spec, network } = state;
    const open = async (): Promise<void> => {
      portsLetIn(state);
      const isThere = world.registry.endpoint(spec.id) === state;
      if (!isThere || state.record.phase === 'removing') return;
      const listeners = openablePorts(world, state).map((each) =>
        listenerOf(world, network.spec.userlandProxy, each),
      );
      if (listeners.length === 0) return;
      const failures = await world.hostPorts.hold(spec.id, listeners);
      world.log.info(
        { endpoint: shortId(spec.id), ports: listeners.length, failed: failures.length },
        'guarded ports are open again: their guards are there',
      );
    };
    await onEndpoint(world, network.spec.id, spec.id, () => inSandbox(world, state, open));
  }
}
