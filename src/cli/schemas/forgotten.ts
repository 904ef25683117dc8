/** What `tsbridge gc` and `tsbridge forget` answer, and what `tsbridge status` has of it. */
import {
  amount,
  boolean,
  type DocumentSchema,
  type ItemOf,
  lines,
  object,
  string,
} from './schema.js';

const forgottenItem = object({
  kind: { enum: ['network', 'endpoint'] },
  id: string,
  network: string,
  bridge: string,
  /** Host ports that an endpoint holds, as `8080/tcp`. */
  ports: lines,
  subnets: lines,
});

export type ForgottenItem = ItemOf<typeof forgottenItem>;

export const gcSchema: DocumentSchema = {
  about: 'What the engine has forgotten: removed, or what would be.',
  item: forgottenItem,
  more: { dryRun: boolean },
};

/** What the engine did not list when it was last asked. */
export const suspect = object({
  kind: { enum: ['network', 'endpoint'] },
  id: string,
  bridge: string,
  forSeconds: amount,
});

export const forgottenEndpoint = object({
  id: string,
  network: string,
  bridge: string,
  ports: lines,
});
