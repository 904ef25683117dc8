/** Which publications belong to which endpoints: what to open, what to close, what is over. */
import type { ContainerId, EndpointId, EngineName } from '../names.js';
import { type Publication, type PublicationId, sameNetwork } from './publication.js';

export interface ContainerName {
  readonly id: ContainerId;
  readonly name: EngineName;
}

/** An endpoint as far as publications are concerned. */
export interface PublishableEndpoint {
  readonly id: EndpointId;
  readonly network: Publication['network'];
  /** undefined: it is not known (yet) to which container the endpoint belongs. */
  readonly container: ContainerName | undefined;
  /** Joined, and neither left nor being removed. */
  readonly inUse: boolean;
  /** What is open on it. */
  readonly has: readonly PublicationId[];
}

export interface PublicationPlan {
  readonly open: readonly { readonly endpoint: EndpointId; readonly publication: Publication }[];
  /** Open on an endpoint, and unpublished since: the daemon died in between. */
  readonly close: readonly { readonly endpoint: EndpointId; readonly id: PublicationId }[];
  /** Kept until the container stopped, which it has: to be forgotten. */
  readonly over: readonly Publication[];
  /** No endpoint is there for them: the container does not run, or is not known yet. */
  readonly waiting: readonly Publication[];
}

/**
 * What is open on an endpoint stays there until the endpoint leaves its network, whatever its container is called
 * by then: while a container is replaced, the old and the new one exist at the same time, and the ports
 * move when the old one has left.
 *
 * @param isKept whether there is such a publication; also if its record cannot be read
 */
export function planPublications(
  publications: readonly Publication[],
  endpoints: readonly PublishableEndpoint[],
  isKept: (id: PublicationId) => boolean,
): PublicationPlan {
  const holder = new Map<PublicationId, EndpointId>();
  const close: { endpoint: EndpointId; id: PublicationId }[] = [];
  const candidates = new Map<string, PublishableEndpoint[]>();
  for (const endpoint of endpoints) {
    for (const id of endpoint.has) {
      if (isKept(id)) holder.set(id, endpoint.id);
      else close.push({ endpoint: endpoint.id, id });
    }
    if (!endpoint.inUse) continue;
    for (const key of keysOfEndpoint(endpoint)) {
      candidates.set(key, [...(candidates.get(key) ?? []), endpoint]);
    }
  }
  const open: { endpoint: EndpointId; publication: Publication }[] = [];
  const over: Publication[] = [];
  const waiting: Publication[] = [];
  for (const publication of publications) {
    if (holder.has(publication.id)) continue;
    const endpoint = (candidates.get(keyOf(publication)) ?? []).find(({ network }) =>
      sameNetwork(network, publication.network),
    );
    if (endpoint !== undefined) open.push({ endpoint: endpoint.id, publication });
    else if (publication.kept.for === 'start') over.push(publication);
    else waiting.push(publication);
  }
  return { open, close, over, waiting };
}

function keyOf({ kept, container }: Publication): string {
  if (kept.for === 'container') return kept.container;
  return kept.for === 'start' ? kept.endpoint : `name ${container}`;
}

function keysOfEndpoint({ id, container }: PublishableEndpoint): string[] {
  return container === undefined ? [id] : [id, container.id, `name ${container.name}`];
}
