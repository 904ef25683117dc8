/** Passes happenings on to listeners; keeps them for those that are added until {@link TelemetryHub.complete}. */
import type { RecordStore } from '../driver/host.js';
import type { Happening, Telemetry } from '../driver/telemetry.js';

/** Happenings that are kept for later listeners: the library for metrics is loaded when calls are served. */
const mostKept = 10_000;

export class TelemetryHub implements Telemetry {
  readonly #listeners: Telemetry[] = [];
  #kept: Happening[] | undefined = [];

  tell(happening: Happening): void {
    if (this.#kept !== undefined && this.#kept.length < mostKept) this.#kept.push(happening);
    for (const listener of this.#listeners) listener.tell(happening);
  }

  /** The listener is told of everything so far, and from then on. */
  add(listener: Telemetry): void {
    for (const happening of this.#kept ?? []) listener.tell(happening);
    this.#listeners.push(listener);
  }

  /** No listener is added any more, so nothing is kept. */
  complete(): void {
    this.#kept = undefined;
  }
}

/** A store whose writes are counted. */
export function countedStore(store: RecordStore, telemetry: Telemetry): RecordStore {
  return {
    load: () => store.load(),
    remove: (kind, id) => store.remove(kind, id),
    async write(kind, id, value) {
      let ok = false;
      try {
        await store.write(kind, id, value);
        ok = true;
      } finally {
        telemetry.tell({ kind: 'record-written', ok });
      }
    },
  };
}
