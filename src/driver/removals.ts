/**
 * Links on their way out. The kernel takes tens of milliseconds for each, which no caller needs to
 * wait for: the record says `removing` until the link is gone, so that a start finishes what a
 * crash interrupted.
 */
import { messageOf } from '../core/errors.js';
import type { InterfaceName } from '../core/names.js';
import type { Links, Log } from './host.js';

export class Removals {
  readonly #pending = new Map<InterfaceName, Promise<void>>();

  constructor(
    private readonly links: Links,
    private readonly log: Log,
  ) {}

  /** Removes the link, then does what comes after; a failure of either is logged. */
  begin(name: InterfaceName, after: () => Promise<void>): void {
    const removal = this.links
      .remove(name)
      .then(after)
      .catch((error) => {
        const link = name;
        this.log.error(
          { link, error: messageOf(error) },
          'removing a link failed; a restart retries',
        );
      })
      .finally(() => {
        if (this.#pending.get(name) === removal) this.#pending.delete(name);
      });
    this.#pending.set(name, removal);
  }

  /** Resolves when the link is gone, or could not be removed. */
  async settled(name: InterfaceName): Promise<void> {
    await this.#pending.get(name);
  }

  /** Resolves when nothing is on its way out. */
  async idle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending.values());
  }
}
