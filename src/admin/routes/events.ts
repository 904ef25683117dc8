/** `GET /v1/events?since=ID|TIME&follow=true&kind=…&not=…`: NDJSON, one event a line. */
import { Readable } from 'node:stream';
import { DriverError } from '../../core/errors.js';
import type { EventRing } from '../../operator/events/ring.js';
import { eventText } from '../../operator/events/stream.js';
import type { AdminRoutes } from '../server.js';

/** Readers who wait for events at the same time; each holds a connection. */
const mostFollowers = 32;

const words = { type: 'array', items: { type: 'string', maxLength: 32 }, maxItems: 32 } as const;

const query = {
  type: 'object',
  properties: {
    since: { type: 'string', maxLength: 64 },
    follow: { enum: ['true', 'false'] },
    kind: words,
    not: words,
  },
  additionalProperties: false,
} as const;

interface Query {
  readonly since?: string;
  readonly follow?: 'true' | 'false';
  readonly kind?: readonly string[];
  readonly not?: readonly string[];
}

export function eventRoutes(ring: EventRing): AdminRoutes {
  return (app) => {
    let followers = 0;
    app.get<{ Querystring: Query }>(
      '/v1/events',
      {
        schema: { querystring: query },
        preValidation: async (request) => {
          // A word that stands once is no array in a URL.
          const asked = request.query as Record<string, unknown>;
          for (const name of ['kind', 'not']) {
            if (typeof asked[name] === 'string') asked[name] = [asked[name]];
          }
        },
      },
      (request, reply) => {
        const { since, kind, not } = request.query;
        const follow = request.query.follow === 'true';
        if (follow && followers >= mostFollowers) {
          const text = `${followers} readers follow the events already: end one of them`;
          throw new DriverError('too-many-readers', text);
        }
        const ended = new AbortController();
        const text = eventText(ring, { since, follow, kinds: kind, not }, ended.signal);
        if (follow) followers += 1;
        reply.raw.once('close', () => {
          if (follow) followers -= 1;
          ended.abort();
        });
        // One piece waits at most: the next one is made when the socket takes it.
        const body = Readable.from(text, { objectMode: true, highWaterMark: 1 });
        return reply.type('application/x-ndjson').send(body);
      },
    );
  };
}
