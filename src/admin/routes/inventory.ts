/**
 * `GET /v1/inventory`: networks, endpoints and ports, from memory. Written in pieces as the reader takes them;
 * neither the host nor another program is asked.
 */
import { Readable } from 'node:stream';
import type { Registry } from '../../driver/state/registry.js';
import { inventoryJson } from '../../operator/inventory/inventory.js';
import { Yielding } from '../../yielding.js';
import type { AdminRoutes } from '../server.js';

/** Milliseconds of work before others get their turn; with the rest of a step it stays below 5. */
const turnMs = 2;
/** Characters that are written at once. */
const chunkLength = 32 * 1024;

export function inventoryRoutes(registry: Registry): AdminRoutes {
  return (app) => {
    app.get('/v1/inventory', (_request, reply) => {
      reply.type('application/json').send(Readable.from(pieces(inventoryJson(registry))));
    });
  };
}

/** The steps' text, joined to chunks; others get their turn between steps. */
export async function* pieces(
  steps: Iterable<string>,
  yielding = new Yielding(undefined, turnMs),
): AsyncGenerator<string, void> {
  let chunk: string[] = [];
  let length = 0;
  for (const step of steps) {
    chunk.push(step);
    length += step.length;
    if (length >= chunkLength) {
      yield chunk.join('');
      chunk = [];
      length = 0;
    }
    await yielding.pause();
  }
  if (length > 0) yield chunk.join('');
}
