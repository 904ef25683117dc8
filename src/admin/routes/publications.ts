/**
 * `GET /v1/publications`; `POST /v1/publish` with `{"container": "web", "ports": ["9229:9229"], "kept": "container",
 * "ifFree": false}`, `POST /v1/unpublish` with `{"container": "web"}`. The kernel tells which user asks.
 */
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { type Telemetry, untold } from '../../driver/telemetry.js';
import {
  type PublicationDocument,
  type PublishBody,
  type Publishing,
  toldOf,
  type UnpublishBody,
} from '../../operator/publishing.js';

const name = { type: 'string', minLength: 1, maxLength: 255 } as const;
/** Words of ports. The longest has an address in brackets, four numbers and a protocol. */
const ports = { type: 'array', items: { type: 'string', maxLength: 80 }, maxItems: 1_000 } as const;
const place = { container: name, network: name, sudoUser: name } as const;

export const publishBody = {
  type: 'object',
  properties: {
    ...place,
    ports,
    kept: { enum: ['container', 'name', 'start'] },
    ifFree: { type: 'boolean' },
  },
  required: ['container', 'ports', 'kept', 'ifFree'],
  additionalProperties: false,
} as const;

export const unpublishBody = {
  type: 'object',
  properties: { ...place, ports },
  required: ['container'],
  additionalProperties: false,
} as const;

/** @param userOf the user at the other end, by SO_PEERCRED */
export function publicationRoutes(
  publishing: Publishing,
  userOf: (socket: Socket) => number | undefined,
  telemetry: Telemetry = untold,
): (app: FastifyInstance) => void {
  const tell = (action: string, documents: readonly PublicationDocument[], uid?: number): void => {
    if (documents.length === 0) return;
    telemetry.tell({ kind: 'operator', action, text: toldOf(documents, uid) });
  };
  return (app) => {
    app.get('/v1/publications', async () => ({ publications: await publishing.list() }));
    app.post<{ Body: PublishBody }>(
      '/v1/publish',
      { schema: { body: publishBody } },
      async ({ body, socket }) => {
        const uid = userOf(socket);
        const answer = await publishing.publish(body, uid);
        if (!answer.already) tell('publish', answer.published, uid);
        return answer;
      },
    );
    app.post<{ Body: UnpublishBody }>(
      '/v1/unpublish',
      { schema: { body: unpublishBody } },
      async ({ body, socket }) => {
        const uid = userOf(socket);
        const unpublished = await publishing.unpublish(body, uid);
        tell('unpublish', unpublished, uid);
        return { unpublished };
      },
    );
  };
}
