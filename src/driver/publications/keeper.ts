/**
 * Keeps publications: opens their ports when their container runs, tries again those that could not be opened, and
 * ends them with their container.
 *
 * The engine gives an endpoint a new id at each start, and does not say in the call whose it is; its API tells that
 * after the call. So all of this happens beside the calls, one pass after the other, and none of them waits for it.
 */
import { background } from '../../background.js';
import { messageOf } from '../../core/errors.js';
import type { PortBinding } from '../../core/ports/port.js';
import {
  type PublicationPlan,
  type PublishableEndpoint,
  planPublications,
} from '../../core/publications/plan.js';
import type { Asker, Publication, PublicationId } from '../../core/publications/publication.js';
import type { PortWord } from '../../core/publications/words.js';
import { KeyedLocks } from '../state/locks.js';
import type { EndpointState } from '../state/registry.js';
import { onEndpoint } from '../usecases/on-endpoint.js';
import { openAdded } from '../usecases/ports/added-ports.js';
import { inSandbox } from '../usecases/ports/siblings.js';
import { isInUse, type Place } from './find.js';
import { nameHolder } from './holder-words.js';
import {
  type AskedPublication,
  closeOn,
  describe,
  fieldsOf,
  type Parts,
  type PublishedPorts,
  publishAdded,
  unpublish,
  unpublishAdded,
} from './operations.js';
import { RemovedContainers } from './removed-containers.js';

/** Milliseconds from a change of names, or a port that is given back, to the pass: several come at once. */
const soonMs = 50;
/** Milliseconds until a port that another program has is tried again: nothing tells of its release. */
const troubleMs = 15_000;
/** How often it is asked whether the containers of publications that wait have been removed. */
const waitingMs = 60_000;

export class PublicationKeeper {
  /** One pass or one operator's call at a time. */
  readonly #turns = new KeyedLocks<'publications'>();
  readonly #removed: RemovedContainers;
  #timer: unknown;
  #dueAt = Number.POSITIVE_INFINITY;
  #opening: Publication | undefined;
  #started = false;
  #stopped = false;

  constructor(private readonly parts: Parts) {
    this.#removed = new RemovedContainers(parts);
  }

  /** Call it when recovery is done. */
  start(): void {
    const { world, containers } = this.parts;
    this.#started = true;
    containers.onChange(() => this.#soon());
    world.allocator.onRelease((bindings) => {
      if (!this.#isOwn(bindings)) this.#soon();
    });
    this.#soon();
  }

  /** Resolves when no pass is at work. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.parts.clock.clearTimeout(this.#timer);
    await this.#alone(async () => {});
  }

  publish(asked: AskedPublication): Promise<readonly PublishedPorts[]> {
    return this.#alone(() => publishAdded(this.parts, asked));
  }

  unpublish(
    place: Place,
    words: readonly PortWord[] | undefined,
    asker: Asker,
  ): Promise<readonly PublishedPorts[]> {
    return this.#alone(() => unpublishAdded(this.parts, place, words, asker));
  }

  /** All publications with what is open, in the order in which they were published. */
  list(): readonly PublishedPorts[] {
    const { world } = this.parts;
    return world.registry.publications.all().map((each) => describe(world, each));
  }

  /** Publications whose container runs and whose ports are not open: a line each. */
  problems(): string[] {
    return this.list().flatMap(({ publication: { word, container }, trouble }) =>
      trouble === undefined ? [] : [`${word}, published for ${container}, is not open: ${trouble}`],
    );
  }

  /** One pass, now. */
  pass(): Promise<void> {
    return this.#alone(() => this.#pass());
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns.exclusive('publications', work);
  }

  /** A port that could not be opened is given back by the pass itself: that is no reason for another one. */
  #isOwn(bindings: readonly PortBinding[]): boolean {
    const own = this.#opening?.requests ?? [];
    return bindings.every(({ protocol, containerPort }) =>
      own.some((each) => each.protocol === protocol && each.containerPort === containerPort),
    );
  }

  #soon(): void {
    if (this.parts.world.registry.publications.size > 0) this.#schedule(soonMs);
  }

  /** A pass that is due earlier stays. */
  #schedule(afterMs: number): void {
    const { clock, world } = this.parts;
    const at = clock.now() + afterMs;
    if (!this.#started || this.#stopped || this.#dueAt <= at) return;
    clock.clearTimeout(this.#timer);
    this.#dueAt = at;
    this.#timer = clock.setTimeout(() => {
      this.#dueAt = Number.POSITIVE_INFINITY;
      background(world.log, 'keeping what operators have published', this.pass());
    }, afterMs);
  }

  async #pass(): Promise<void> {
    if (this.#stopped) return;
    const { world } = this.parts;
    const { publications } = world.registry;
    const plan = this.#plan();
    for (const { endpoint, id } of plan.close)
      await this.#attempt('closing', () => this.#close(endpoint, id));
    for (const publication of plan.over) {
      await this.#attempt('ending', () => unpublish(world, publication, 'its stop has'));
    }
    for (const { id } of plan.waiting) publications.setTrouble(id, undefined);
    for (const each of plan.open) await this.#open(each);
    await this.#attempt('looking for removed containers', () => this.#end(plan.waiting));
    if (publications.all().some(({ id }) => publications.trouble(id))) this.#schedule(troubleMs);
    else if (plan.waiting.some(({ id }) => publications.get(id))) this.#schedule(waitingMs);
  }

  #plan(): PublicationPlan {
    const { world, containers } = this.parts;
    const { registry } = world;
    const endpoints = registry.endpoints().map((state): PublishableEndpoint => {
      const { spec, network, record } = state;
      return {
        id: spec.id,
        network: { id: network.spec.id, name: containers.networkName(network.spec.id) },
        container: containers.of(spec.id),
        inUse: isInUse(state),
        has: record.added.map(({ publication }) => publication),
      };
    });
    return planPublications(registry.publications.all(), endpoints, (id) =>
      registry.isPublication(id),
    );
  }

  async #close(endpoint: EndpointState['spec']['id'], id: PublicationId): Promise<void> {
    const state = this.parts.world.registry.endpoint(endpoint);
    if (state !== undefined) await closeOn(this.parts.world, state, id);
  }

  async #open({ endpoint, publication }: PublicationPlan['open'][number]): Promise<void> {
    const { world, containers } = this.parts;
    const { publications } = world.registry;
    const state = world.registry.endpoint(endpoint);
    if (state === undefined) return;
    const fields = fieldsOf(publication, state);
    this.#opening = publication;
    try {
      const { network } = state;
      const open = async (): Promise<void> => {
        if (world.registry.endpoint(endpoint) !== state || !isInUse(state)) return;
        await inSandbox(world, state, () => openAdded(world, state, publication));
        world.log.info(fields, `ports of container ${publication.container} are open again`);
      };
      await onEndpoint(world, network.spec.id, endpoint, open);
      publications.setTrouble(publication.id, undefined);
    } catch (error) {
      const reason = messageOf(nameHolder(world, containers, publication, error));
      if (!publications.setTrouble(publication.id, reason)) return;
      const what = `ports published for container ${publication.container} cannot be opened`;
      world.log.warn({ ...fields, error: reason }, `${what}; they are tried again`);
    } finally {
      this.#opening = undefined;
    }
  }

  /** Ends what was kept for containers that have been removed. */
  async #end(waiting: readonly Publication[]): Promise<void> {
    const { again, removed } = await this.#removed.among(waiting);
    for (const publication of removed) {
      await unpublish(this.parts.world, publication, 'its removal has');
    }
    if (again !== undefined) this.#schedule(again);
  }

  async #attempt(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.parts.world.log.warn(
        { error: messageOf(error) },
        `${what} (of what operators have published) failed; it is tried again`,
      );
      this.#schedule(troubleMs);
    }
  }
}
