/** What an operator asks for: to publish ports of a running container, and to unpublish them. */
import { randomBytes } from 'node:crypto';
import { DriverError, ErrorList } from '../../core/errors.js';
import { shortId } from '../../core/names.js';
import type { PortBinding } from '../../core/ports/port.js';
import {
  type Asker,
  askerText,
  type Kept,
  type Publication,
  type PublicationId,
  placeOf,
  sameTarget,
} from '../../core/publications/publication.js';
import type { PortWord, WordedPorts } from '../../core/publications/words.js';
import type { Clock } from '../clock.js';
import type { Containers } from '../host.js';
import type { EndpointState } from '../state/registry.js';
import { onEndpoint } from '../usecases/on-endpoint.js';
import { closeAdded, openAdded } from '../usecases/ports/added-ports.js';
import { inSandbox } from '../usecases/ports/siblings.js';
import type { World } from '../world.js';
import type { Place } from './find.js';
import { type FoundEndpoint, findEndpoint, holderOf, isInUse, publicationsAt } from './find.js';
import { nameHolder } from './holder-words.js';
import { forget, keep } from './records.js';

export interface AskedPublication extends Place {
  readonly ports: readonly WordedPorts[];
  readonly keptFor: Kept['for'];
  readonly asker: Asker;
}

/** A publication, and what is open for it. */
export interface PublishedPorts {
  readonly publication: Publication;
  /** Empty if the container does not run, or if `trouble` says why the ports are not open. */
  readonly bindings: readonly PortBinding[];
  readonly trouble: string | undefined;
  /** true: the publication was there before the call. */
  readonly already: boolean;
}

export interface Parts {
  readonly world: World;
  readonly containers: Containers;
  readonly clock: Clock;
}

/**
 * Publishes all of the ports, or none. What is published already, for the same time, stays as it is.
 *
 * @throws {DriverError} `container-unknown`, `port-allocated`, `port-unavailable`, `publication-exists`, …
 */
export async function publishAdded(
  parts: Parts,
  asked: AskedPublication,
): Promise<readonly PublishedPorts[]> {
  const { world, containers } = parts;
  const found = await findEndpoint(world, containers, asked);
  const { spec, network } = found.state;
  return onEndpoint(world, network.spec.id, spec.id, async () => {
    if (world.registry.endpoint(spec.id) !== found.state || !isInUse(found.state)) {
      throw new DriverError('container-unknown', `container ${found.container.name} has stopped`);
    }
    return inSandbox(world, found.state, () => publishWords(parts, asked, found));
  });
}

async function publishWords(
  parts: Parts,
  asked: AskedPublication,
  { state, container }: FoundEndpoint,
): Promise<readonly PublishedPorts[]> {
  const { world, containers } = parts;
  const before = world.registry.publications.size;
  const different = new Map(asked.ports.map((ports) => [ports.word, ports]));
  const wanted = [...different.values()].map((ports, index) =>
    makePublication(parts, asked, state, container, ports, before + index),
  );
  const known = wanted.map((publication) => alreadyKept(world, containers, publication));
  const answers: PublishedPorts[] = [];
  const made: Publication[] = [];
  try {
    for (const [index, publication] of wanted.entries()) {
      const before = known[index];
      if (before !== undefined) {
        answers.push({ ...describe(world, before), already: true });
        continue;
      }
      made.push(publication);
      await keep(world, publication);
      await openAdded(world, state, publication).catch((error: unknown) => {
        throw nameHolder(world, containers, publication, error);
      });
      answers.push(describe(world, publication));
      world.log.info(
        fieldsOf(publication, state),
        `${askerText(asked.asker)} published ports of container ${container.name}`,
      );
    }
    return answers;
  } catch (error) {
    throw await undone(world, state, made, error);
  }
}

/** Takes back what a failed call has published. Answers with the error of the call, and what could not be undone. */
async function undone(
  world: World,
  state: EndpointState,
  made: readonly Publication[],
  error: unknown,
): Promise<unknown> {
  const errors = new ErrorList();
  for (const publication of made) await errors.attempt(() => forget(world, publication));
  const ids = new Set(made.map(({ id }) => id));
  await errors.attempt(() => closeAdded(world, state, ids));
  if (!errors.failed || !(error instanceof DriverError)) return error;
  return new DriverError(error.code, `${error.message}; and undoing it: ${errors.message}`, {
    cause: error,
  });
}

function makePublication(
  { containers, clock }: Parts,
  { keptFor, asker }: AskedPublication,
  { spec, network }: EndpointState,
  container: FoundEndpoint['container'],
  ports: WordedPorts,
  index: number,
): Publication {
  const { id } = network.spec;
  const now = clock.now();
  const kept = {
    container: { for: 'container', container: container.id },
    name: { for: 'name' },
    start: { for: 'start', endpoint: spec.id },
  } as const;
  return {
    id: makeId(now, index),
    kept: kept[keptFor],
    container: container.name,
    network: { id, name: containers.networkName(id) },
    ...ports,
    asker,
    since: new Date(now).toISOString(),
  };
}

/**
 * In alphabetical order they are in the order of time, and those of one moment in that of their numbers.
 *
 * @param index up to 65,535
 */
function makeId(now: number, index: number): PublicationId {
  const digits = [Math.trunc(now), index].map((each, at) =>
    each.toString(16).padStart([12, 4][at] ?? 0, '0'),
  );
  return `${digits.join('')}${randomBytes(8).toString('hex')}` as PublicationId;
}

/** The same ports of the same container, kept for the same. If they are kept for another time, that is an error. */
function alreadyKept(
  world: World,
  containers: Containers,
  wanted: Publication,
): Publication | undefined {
  const place = { container: wanted.container, network: wanted.network.id };
  const known = publicationsAt(world, containers, place).find(({ word }) => word === wanted.word);
  if (known === undefined || sameTarget(known, wanted)) return known;
  throw new DriverError(
    'publication-exists',
    `${wanted.word} of ${wanted.container} is published since ${known.since}, kept ` +
      `${keptText(known)}: "tsbridge unpublish ${placeOf(known)} ${known.word}" first`,
  );
}

/** `until the container is removed` */
export function keptText({ kept, container }: Pick<Publication, 'kept' | 'container'>): string {
  if (kept.for === 'start') return 'until the container stops';
  if (kept.for === 'name') return `for every container that is called ${container}`;
  return `for container ${kept.container.slice(0, 12)} until it is removed`;
}

/**
 * @param words the ports to unpublish, as they were published; undefined: all of the place
 * @throws {DriverError} `publication-unknown` if one of the words is not published: then nothing is changed
 */
export async function unpublishAdded(
  { world, containers }: Parts,
  place: Place,
  words: readonly PortWord[] | undefined,
  asker: Asker,
): Promise<readonly PublishedPorts[]> {
  const known = publicationsAt(world, containers, place);
  const missing = words?.find((each) => !known.some(({ word }) => word === each));
  if (missing !== undefined) {
    const there = known.map(({ word }) => word).join(', ') || 'nothing';
    throw new DriverError(
      'publication-unknown',
      `${missing} is not published for ${place.container} by an operator (published: ${there}); ` +
        'ports of "docker run -p" go with the container',
    );
  }
  const going = known.filter(({ word }) => words === undefined || words.includes(word));
  const answers = going.map((publication) => describe(world, publication));
  const errors = new ErrorList();
  for (const publication of going) {
    await errors.attempt(() => unpublish(world, publication, askerText(asker)));
  }
  if (errors.failed) throw new DriverError('firewall-failed', errors.message);
  return answers;
}

/** Forgets the publication and closes its ports. A start closes what a crash left open. */
export async function unpublish(world: World, publication: Publication, who: string) {
  const state = holderOf(world, publication);
  await forget(world, publication);
  world.log.info(
    fieldsOf(publication, state),
    `${who} unpublished ports of container ${publication.container}`,
  );
  if (state === undefined) return;
  await closeOn(world, state, publication.id);
}

export function closeOn(world: World, state: EndpointState, id: PublicationId): Promise<void> {
  const { spec, network } = state;
  return onEndpoint(world, network.spec.id, spec.id, () =>
    inSandbox(world, state, () => closeAdded(world, state, new Set([id]))),
  );
}

export function describe(world: Pick<World, 'registry'>, publication: Publication): PublishedPorts {
  const { id } = publication;
  const added = holderOf(world, publication)?.record.added ?? [];
  const bindings = added.filter((each) => each.publication === id).flatMap((each) => each.bindings);
  const trouble = world.registry.publications.trouble(id);
  return { publication, bindings, trouble, already: false };
}

export function fieldsOf(publication: Publication, state: EndpointState | undefined) {
  const { word, network, asker, id } = publication;
  return {
    publication: id,
    ports: word,
    network: shortId(network.id),
    endpoint: state && shortId(state.spec.id),
    uid: asker.uid,
    sudoUser: asker.sudoUser,
  };
}
