/** How much of large bodies may be in memory at a time: who comes with more waits unread. */

import type { FastifyInstance, FastifyRequest } from 'fastify';
import { DriverError } from '../core/errors.js';

/** All calls but those with very many ports: not worth a queue. */
const smallBytes = 16 * 1024;
/** An engine sends its body in one go; whoever stops in the middle must not keep the others waiting. */
const patienceMs = 10_000;

/** First come, first served. */
export class ByteBudget {
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = [];
  #free: number;

  /** @param total bytes; a larger request counts as this much */
  constructor(private readonly total: number) {
    this.#free = total;
  }

  /** Resolves when there is room. The answer gives it back, also when called twice. */
  async take(wanted: number): Promise<() => void> {
    const bytes = Math.min(wanted, this.total);
    if (this.#waiting.length === 0 && bytes <= this.#free) this.#free -= bytes;
    else await new Promise<void>((go) => this.#waiting.push({ bytes, go }));
    let taken = true;
    return () => {
      if (!taken) return;
      taken = false;
      this.#free += bytes;
      this.#admit();
    };
  }

  #admit(): void {
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined || next.bytes > this.#free) return;
      this.#waiting.shift();
      this.#free -= next.bytes;
      next.go();
    }
  }
}

/** Reserves memory for each large body from before it is read until its answer is out. */
export function budgetBodies(app: FastifyInstance, totalBytes: number): void {
  const budget = new ByteBudget(totalBytes);
  app.addHook('onRequest', async (request) => {
    const bytes = announced(request) ?? totalBytes;
    // One beyond the limit is refused unread.
    if (bytes <= smallBytes || bytes > totalBytes) return;
    const { socket } = request.raw;
    const giveBack = await budget.take(bytes);
    if (socket.destroyed) {
      giveBack();
      throw new DriverError('bad-request', 'the connection ended before the request was read');
    }
    const timer = setTimeout(() => socket.destroy(), patienceMs);
    const over = (): void => {
      clearTimeout(timer);
      giveBack();
    };
    request.raw.once('end', () => clearTimeout(timer));
    // The connection may end before the answer.
    socket.once('close', over);
    ends.set(request, () => {
      socket.off('close', over);
      over();
    });
  });
  const ends = new WeakMap<FastifyRequest, () => void>();
  app.addHook('onResponse', async (request) => ends.get(request)?.());
}

/** undefined: in chunks, of any length. */
function announced({ headers }: FastifyRequest): number | undefined {
  if (headers['transfer-encoding'] !== undefined) return undefined;
  return Number(headers['content-length'] ?? 0);
}
