/** What `tsbridge publish` and `unpublish` answer. */
import type { PublicationDocument } from '../../operator/publishing.js';
import {
  amount,
  boolean,
  type DocumentSchema,
  type ItemOf,
  list,
  object,
  string,
  stringOrNull,
  time,
} from './schema.js';

const publication = object({
  id: string,
  container: string,
  containerId: stringOrNull,
  network: object({ id: string, name: stringOrNull }),
  ports: string,
  kept: { enum: ['container', 'name', 'start'] },
  since: time,
  asker: object({ uid: { type: ['integer', 'null'] }, sudoUser: stringOrNull }),
  state: { enum: ['open', 'waiting', 'degraded'] },
  reason: stringOrNull,
  bindings: list(
    object({
      protocol: { enum: ['tcp', 'udp', 'sctp'] },
      hostAddress: string,
      hostPort: amount,
      containerAddress: string,
      containerPort: amount,
    }),
  ),
});

export type PublicationItem = ItemOf<typeof publication>;

export const publishSchema: DocumentSchema = {
  about: 'What was published for a container, or with --list all that operators have published.',
  item: publication,
  more: { already: boolean, taken: stringOrNull },
};

export const unpublishSchema: DocumentSchema = {
  about: 'What was published for a container, and is no more.',
  item: publication,
};

/** Holds only if what the daemon answers with is what the schema says. */
type Holds<_Answer extends Described, Described> = true;
export type CheckedPublication = Holds<PublicationDocument, PublicationItem>;
