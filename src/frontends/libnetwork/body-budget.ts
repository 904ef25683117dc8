/** Limits how much of large bodies is in memory at a time: a further body stays unread until there is room. */

import type { FastifyInstance, FastifyRequest } from 'fastify';
import { DriverError } from '../../core/errors.js';

/** Bodies up to this size are not counted: all calls but those with very many ports. */
const smallBytes = 16 * 1024;
/**
 * How many bytes of memory each byte of a large body counts as: parsed, 3 bytes of `{},` take 64. So one
 * body of a megabyte is worked on at a time, or fifteen with a thousand ports each.
 */
const weight = 8;
/** After so many bytes of large bodies their garbage is collected, which takes some 50 ms. */
const garbageBytes = 1024 * 1024;
/** An engine sends a body without a pause. A client that stops in the middle is cut off after this time. */
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

/**
 * Reserves memory for each large body from before it is read until its answer is out, and what was
 * made of it has been collected: V8 by itself lets the remains of several bodies pile up.
 */
export function budgetBodies(
  app: FastifyInstance,
  totalBytes: number,
  collectGarbage: () => void,
): void {
  const budget = new ByteBudget(totalBytes);
  let garbage = 0;
  const answered = (bytes: number, giveBack: () => void): void => {
    garbage += bytes;
    if (garbage < garbageBytes) {
      giveBack();
      return;
    }
    garbage = 0;
    // In a later turn: the caller that reports the end of the answer still refers to the request.
    setImmediate(() => {
      collectGarbage();
      giveBack();
    });
  };
  app.addHook('onRequest', async (request) => {
    const bytes = announced(request) ?? totalBytes;
    // One beyond the limit is refused unread.
    if (bytes <= smallBytes || bytes > totalBytes) return;
    const { socket } = request.raw;
    const giveBack = await budget.take(bytes * weight);
    if (socket.destroyed) {
      giveBack();
      throw new DriverError('bad-request', 'the connection ended before the request was read');
    }
    const timer = setTimeout(() => socket.destroy(), patienceMs);
    const over = (): void => {
      clearTimeout(timer);
      answered(bytes, giveBack);
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
