/** What an engine lists of its containers and networks, as validated values. */
import type { Brand } from './address.js';
import type { ContainerId, EndpointId, NetworkId } from './names.js';
import type { PlainText } from './plain-text.js';

/** Of which compose project a container is a part. */
export interface Compose {
  readonly project: PlainText;
  readonly service: PlainText;
}

/** A container's connection to a network. */
export interface Attachment {
  /** As the engine calls it; before the container's first start as the user did, which can be an id. */
  readonly networkName: PlainText;
  /** undefined until the container has been started once. */
  readonly network: NetworkId | undefined;
  /** undefined while the container does not run. */
  readonly endpoint: EndpointId | undefined;
}

export interface EngineContainer {
  readonly id: ContainerId;
  readonly name: PlainText;
  readonly compose: Compose | undefined;
  /** It runs or is paused. One that is being started counts as not running. */
  readonly running: boolean;
  readonly attachments: readonly Attachment[];
}

export interface EngineNetwork {
  readonly id: NetworkId;
  readonly name: PlainText;
}

/** What an engine calls itself, over restarts and reboots. */
export type EngineId = Brand<string, 'EngineId'>;

/** Docker's are UUIDs, or twelve groups of four letters in versions up to 23. */
export function parseEngineId(text: string): EngineId | undefined {
  return /^[\w:.-]{1,128}$/.test(text) ? (text as EngineId) : undefined;
}

/** That something has changed; what it is now has to be asked for. */
export type EngineEvent =
  | { readonly kind: 'container'; readonly id: ContainerId }
  | { readonly kind: 'networks' };
