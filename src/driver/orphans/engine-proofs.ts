/**
 * What proves, by two answers of an engine, that it has forgotten a network or an endpoint. Silence, an error, half of
 * an answer, the answer of another engine or of one that has just started prove nothing.
 */
import type { EngineContainer, EngineNetwork } from '../../core/engine-lists.js';
import type { EndpointId, NetworkId } from '../../core/names.js';
import type { EngineIdentity } from '../engine.js';

/** All that an engine said at about one moment. */
export interface EngineAnswers {
  readonly identity: EngineIdentity;
  readonly containers: readonly EngineContainer[];
  /** Names of all networks, by id. */
  readonly networks: ReadonlyMap<NetworkId, string>;
  /** Networks that a container is connected to, whether it runs or not. */
  readonly connected: ReadonlySet<NetworkId>;
  /** Endpoints of containers that run. */
  readonly endpoints: ReadonlySet<EndpointId>;
}

export function answers(
  identity: EngineIdentity,
  containers: readonly EngineContainer[],
  networks: readonly EngineNetwork[],
): EngineAnswers {
  const attachments = containers.flatMap((container) => container.attachments);
  return {
    ...{ identity, containers },
    networks: new Map(networks.map(({ id, name }) => [id, name])),
    connected: new Set(attachments.flatMap(({ network }) => network ?? [])),
    endpoints: new Set(attachments.flatMap(({ endpoint }) => endpoint ?? [])),
  };
}

/** An engine that starts lists what it has read so far. */
export const leastUpMs = 60_000;

/** Why the two answers prove nothing, in words; undefined if they can. */
export function whyNoProof(first: EngineIdentity, second: EngineIdentity): string | undefined {
  if (first.process === undefined || second.process === undefined) {
    return (
      'it cannot be told which process answers for the engine: another program passes questions on, ' +
      'or several engines run behind the socket of one'
    );
  }
  if (first.process !== second.process || first.id !== second.id) {
    return 'the engine was started again meanwhile';
  }
  if (first.upMs >= leastUpMs) return undefined;
  return `the engine has run for ${Math.floor(first.upMs / 1_000)} s only: ask again after a minute`;
}

/** The engine knows the network, or has a container that is connected to it. */
export function knowsNetwork({ networks, connected }: EngineAnswers, id: NetworkId): boolean {
  return networks.has(id) || connected.has(id);
}

/**
 * A container that does not run may be about to: its endpoint exists already, and the engine lists it only when the
 * start has succeeded, which can take any time.
 */
export function mayBeStarting({ networks, containers }: EngineAnswers, id: NetworkId): boolean {
  const names = new Map([...networks].map(([network, name]) => [name, network]));
  return containers.some(
    ({ running, attachments }) =>
      !running &&
      attachments.some(({ network, networkName }) => {
        const meant = network ?? names.get(networkName);
        return meant === undefined || meant === id;
      }),
  );
}
