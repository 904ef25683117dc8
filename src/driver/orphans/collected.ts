/** What the engine has forgotten, and the daemon has removed, or would remove. */
import { type NetworkId, shortId } from '../../core/names.js';
import type { EndpointState } from '../state/registry.js';
import { type OrphansCollected, shownInEvent } from '../telemetry.js';
import type { ForgottenNetwork } from './forgotten-networks.js';

export interface ForgottenEndpoint {
  readonly id: EndpointState['spec']['id'];
  readonly network: NetworkId;
  readonly bridge: string;
  /** Host ports that the endpoint holds: `8080/tcp`. */
  readonly ports: readonly string[];
}

export interface Collected {
  readonly networks: readonly ForgottenNetwork[];
  readonly endpoints: readonly ForgottenEndpoint[];
  /** What the engine does not list and the daemon keeps all the same, a line each with the reason. */
  readonly kept: readonly string[];
}

export function describeEndpoint({ spec, record, network }: EndpointState): ForgottenEndpoint {
  const ports = record.bindings.map(({ hostPort, protocol }) => `${hostPort}/${protocol}`);
  return { id: spec.id, network: network.spec.id, bridge: network.spec.bridge, ports };
}

/** What was removed, as one text for an event; undefined if nothing was. */
export function collectedEvent({ networks, endpoints }: Collected): OrphansCollected | undefined {
  const gone = [
    ...endpoints.map(({ id, bridge }) => `endpoint ${shortId(id)} on ${bridge}`),
    ...networks.map(({ id, bridge }) => `network ${shortId(id)} (${bridge})`),
  ];
  if (gone.length === 0) return undefined;
  return { kind: 'collected', count: gone.length, first: gone.slice(0, shownInEvent) };
}
