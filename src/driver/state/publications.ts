/** What operators have published, in memory; publication-records.ts is its form on disk. */
import type { Publication, PublicationId } from '../../core/publications/publication.js';

export class Publications {
  readonly #known = new Map<PublicationId, Publication>();
  /** Why a publication whose container runs is not open. */
  readonly #troubles = new Map<PublicationId, string>();

  /** In the order in which they were made. */
  all(): readonly Publication[] {
    return [...this.#known.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  get size(): number {
    return this.#known.size;
  }

  get(id: PublicationId): Publication | undefined {
    return this.#known.get(id);
  }

  add(publication: Publication): void {
    this.#known.set(publication.id, publication);
  }

  remove(id: PublicationId): void {
    this.#known.delete(id);
    this.#troubles.delete(id);
  }

  trouble(id: PublicationId): string | undefined {
    return this.#troubles.get(id);
  }

  /**
   * @param reason undefined: it is open, or its container does not run
   * @returns whether that is news
   */
  setTrouble(id: PublicationId, reason: string | undefined): boolean {
    const news = this.#troubles.get(id) !== reason;
    if (reason === undefined) this.#troubles.delete(id);
    else this.#troubles.set(id, reason);
    return news;
  }
}
