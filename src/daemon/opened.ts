/** What the composition root has opened. It is closed in reverse order, past every failure to close. */
import { messageOf } from '../core/errors.js';
import type { Log } from '../driver/host.js';

export class Opened {
  readonly #closers: { readonly what: string; readonly close: () => unknown }[] = [];

  constructor(private readonly log: Pick<Log, 'error'>) {}

  /** @param close may return a promise, which is waited for before the next one is closed */
  add(what: string, close: () => unknown): void {
    this.#closers.push({ what, close });
  }

  /** Closes all of it, and logs each failure. Resolves to false if there was one; never rejects. */
  async close(): Promise<boolean> {
    let sound = true;
    for (const { what, close } of this.#closers.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        sound = false;
        this.log.error({ error: messageOf(error) }, `closing ${what} failed`);
      }
    }
    return sound;
  }
}
