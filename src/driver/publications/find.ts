/** What an operator's words mean: `CONTAINER[@NETWORK]` → an endpoint, or publications. */
import { DriverError } from '../../core/errors.js';
import { shortId } from '../../core/names.js';
import { show } from '../../core/problems.js';
import type { ContainerName } from '../../core/publications/plan.js';
import type { Publication } from '../../core/publications/publication.js';
import type { Containers } from '../host.js';
import type { EndpointState } from '../state/registry.js';
import type { World } from '../world.js';

/** What an operator calls a container and its network: names, ids, or the first digits of ids. */
export interface Place {
  readonly container: string;
  readonly network: string | undefined;
}

export interface FoundEndpoint {
  readonly state: EndpointState;
  readonly container: ContainerName;
}

/** Joined, not left, and not being removed. */
export function isInUse({ record, left, network }: EndpointState): boolean {
  return record.phase === 'ready' && !left && network.record.phase === 'ready';
}

/**
 * The engine is asked if what is known has no such container.
 *
 * @throws {DriverError} `container-unknown`, with the candidates if there are several
 */
export async function findEndpoint(
  world: Pick<World, 'registry'>,
  containers: Containers,
  place: Place,
): Promise<FoundEndpoint> {
  let found = search(world, containers, place);
  let silence = '';
  if (found.length === 0) {
    await containers.refresh().catch((error: unknown) => {
      silence = `; the engine could not be asked: ${error instanceof Error ? error.message : error}`;
    });
    found = search(world, containers, place);
  }
  const [only, other] = found;
  if (only !== undefined && other === undefined) return only;
  const { container, network } = place;
  const where = network === undefined ? 'a network of tsbridge' : `network ${show(network)}`;
  const candidates = found
    .map(({ state, container: { name } }) => `${name}@${networkText(containers, state)}`)
    .join(', ');
  throw new DriverError(
    'container-unknown',
    only === undefined
      ? `no running container ${show(container)} is on ${where}${silence}`
      : `${show(container)} is ambiguous: say which of ${candidates}`,
  );
}

function search(
  { registry }: Pick<World, 'registry'>,
  containers: Containers,
  { container, network }: Place,
): FoundEndpoint[] {
  const found = registry.endpoints().flatMap((state): FoundEndpoint[] => {
    const its = isInUse(state) ? containers.of(state.spec.id) : undefined;
    if (its === undefined || !(its.name === container || beginsId(its.id, container))) return [];
    const { id, bridge } = state.network.spec;
    if (network !== undefined && !isNamed({ id, name: containers.networkName(id) }, network)) {
      if (network !== bridge) return [];
    }
    return [{ state, container: its }];
  });
  // A whole name counts more than the first digits of another container's id.
  const named = found.filter((each) => each.container.name === container);
  return named.length > 0 ? named : found;
}

/** Publications for the place, in the order in which they were made. */
export function publicationsAt(
  { registry }: Pick<World, 'registry'>,
  containers: Containers,
  { container, network }: Place,
): readonly Publication[] {
  return registry.publications.all().filter((publication) => {
    if (network !== undefined && !isNamed(publication.network, network)) {
      if (network !== registry.network(publication.network.id)?.spec.bridge) return false;
    }
    const { kept } = publication;
    if (publication.container === container) return true;
    if (kept.for === 'container') return beginsId(kept.container, container);
    const endpoint = holderOf({ registry }, publication);
    const its = endpoint && containers.of(endpoint.spec.id);
    return its !== undefined && (its.name === container || beginsId(its.id, container));
  });
}

/** The endpoint on which the publication's ports are open. */
export function holderOf(
  { registry }: Pick<World, 'registry'>,
  { id }: Pick<Publication, 'id'>,
): EndpointState | undefined {
  return registry
    .endpoints()
    .find(({ record }) => record.added.some(({ publication }) => publication === id));
}

export function networkText(
  containers: Pick<Containers, 'networkName'>,
  { network: { spec } }: EndpointState,
): string {
  return containers.networkName(spec.id) ?? shortId(spec.id);
}

const isNamed = ({ id, name }: Publication['network'], word: string): boolean =>
  name === word || beginsId(id, word);

/** From four digits on, as people shorten ids. */
const beginsId = (id: string, word: string): boolean =>
  /^[0-9a-f]{4,64}$/.test(word) && id.startsWith(word);
