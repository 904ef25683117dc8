/**
 * Which publications end because the engine has removed their container. An engine that does not answer, or that
 * does not know the network, proves nothing; nor does one answer, since it can be of a moment in which the engine
 * has not read all of its containers yet.
 */
import type { ContainerId } from '../../core/names.js';
import type { Publication } from '../../core/publications/publication.js';
import type { EngineObjects } from '../host.js';
import type { Parts } from './operations.js';

/** From the first answer without the container to the second one, at least. */
const betweenMs = 10_000;

export class RemovedContainers {
  /** Container → when it was missing first. */
  readonly #missing = new Map<ContainerId, number>();

  constructor(private readonly parts: Parts) {}

  /**
   * @param waiting publications without an endpoint
   * @returns those whose containers were missing twice; and after how many ms to ask again
   */
  async among(
    waiting: readonly Publication[],
  ): Promise<{ removed: readonly Publication[]; again: number | undefined }> {
    const { containers, clock } = this.parts;
    const kept = waiting.filter(({ kept }) => kept.for === 'container');
    if (kept.length === 0) {
      this.#missing.clear();
      return { removed: [], again: undefined };
    }
    const objects = await containers.list().catch(() => undefined);
    if (objects === undefined) return { removed: [], again: undefined };
    const now = clock.now();
    const missing = kept.filter((each) => this.#isMissing(objects, each));
    const ids = new Set(missing.map(containerOf));
    for (const id of this.#missing.keys()) if (!ids.has(id)) this.#missing.delete(id);
    const removed: Publication[] = [];
    let first = false;
    for (const publication of missing) {
      const id = containerOf(publication);
      if (id === undefined) continue;
      const since = this.#missing.get(id);
      if (since === undefined) this.#missing.set(id, now);
      if (since !== undefined && now - since >= betweenMs) removed.push(publication);
      else first = true;
    }
    return { removed, again: first ? betweenMs : undefined };
  }

  #isMissing({ containers, networks }: EngineObjects, publication: Publication): boolean {
    const { registry } = this.parts.world;
    const { id } = publication.network;
    const container = containerOf(publication);
    if (container === undefined || containers.has(container)) return false;
    // An engine that lacks a network of tsbridge is not the one that the container was of.
    return registry.network(id) === undefined || networks.has(id);
  }
}

function containerOf({ kept }: Publication): ContainerId | undefined {
  return kept.for === 'container' ? kept.container : undefined;
}
