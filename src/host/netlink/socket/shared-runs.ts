/** Calls that arrive while work is done share the next run of it, as do calls of one turn of the event loop. */

interface Pending<Item> {
  readonly item: Item;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class SharedRuns<Item> {
  #waiting: Pending<Item>[] = [];
  #running: Promise<void> | undefined;

  /**
   * @param work does what all these calls ask for, and answers with why some of them failed; if it rejects,
   *   all of them have
   */
  constructor(
    private readonly work: (items: readonly Item[]) => Promise<ReadonlyMap<Item, Error>>,
  ) {}

  /** Resolves when a run that began after this call has done its work; rejects with the call's failure. */
  join(item: Item): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Never rejects: a failure rejects the promises of the calls. */
  async #run(): Promise<void> {
    // Calls of the same turn share the run, and `#running` is set before it is cleared.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        const failures = await this.work(batch.map(({ item }) => item));
        for (const { item, resolve, reject } of batch) {
          const failure = failures.get(item);
          if (failure === undefined) resolve();
          else reject(failure);
        }
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#running = undefined;
  }
}
