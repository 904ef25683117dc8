/** What an operator has published beside what the engine publishes, and for how long it is kept. */
import type { Brand } from '../address.js';
import type { ContainerId, EndpointId, EngineName, NetworkId } from '../names.js';
import type { PortOwner } from '../ports/allocator.js';
import type { PortBinding, PortRequest } from '../ports/port.js';
import type { PortWord } from './words.js';

/** 32 lower-case hexadecimal digits: names the record. Their order is that in which publications were made. */
export type PublicationId = Brand<string, 'PublicationId'>;

export function parsePublicationId(text: string): PublicationId | undefined {
  return /^[0-9a-f]{32}$/.test(text) ? (text as PublicationId) : undefined;
}

/**
 * For how long it is kept. `container`: until the container is removed; `name`: for every container of the
 * name, one after the other, until it is unpublished; `start`: until the container stops.
 */
export type Kept =
  | { readonly for: 'container'; readonly container: ContainerId }
  | { readonly for: 'name' }
  | { readonly for: 'start'; readonly endpoint: EndpointId };

/** A name of a user, as `useradd` accepts names. */
export type UserName = Brand<string, 'UserName'>;

export function parseUserName(text: string): UserName | undefined {
  return /^[A-Za-z_][A-Za-z0-9_.@-]{0,63}$/.test(text) ? (text as UserName) : undefined;
}

/** Who asked for it, as the kernel says (SO_PEERCRED), and whom `sudo` said to be. */
export interface Asker {
  readonly uid: number | undefined;
  readonly sudoUser: UserName | undefined;
}

export interface Publication {
  readonly id: PublicationId;
  readonly kept: Kept;
  /** The container's name when it was published; if kept for a name, that one. */
  readonly container: EngineName;
  readonly network: {
    readonly id: NetworkId;
    /** undefined: the engine did not say. A network that is made again has another id, and this name. */
    readonly name: EngineName | undefined;
  };
  readonly word: PortWord;
  readonly requests: readonly PortRequest[];
  readonly asker: Asker;
  /** RFC 3339, UTC. */
  readonly since: string;
}

/** `shop-web-1@shop`, or without a network's name `shop-web-1@0123456789ab`. */
export function placeOf({ container, network }: Publication): string {
  return `${container}@${network.name ?? network.id.slice(0, 12)}`;
}

/** Ports of one publication that are open on an endpoint, with the host ports that were chosen. */
export interface AddedPorts {
  readonly publication: PublicationId;
  readonly bindings: readonly PortBinding[];
}

/** For the owner of a port in the error of whoever wants the same one. */
export function ownerOfPublished(publication: Publication): PortOwner {
  const { container, word, since } = publication;
  return {
    name: `"tsbridge publish" for container ${container} since ${since}`,
    wayOut: `free it with "tsbridge unpublish ${placeOf(publication)} ${word}"`,
  };
}

/** `user 1000 (sudo: jane)` */
export function askerText({ uid, sudoUser }: Asker): string {
  const user = uid === undefined ? 'an unknown user' : `user ${uid}`;
  return sudoUser === undefined ? user : `${user} (sudo: ${sudoUser})`;
}

/** Whether both are kept for the same, on the same network. */
export function sameTarget(a: Publication, b: Publication): boolean {
  if (a.kept.for !== b.kept.for || !sameNetwork(a.network, b.network)) return false;
  if (a.kept.for === 'container' && b.kept.for === 'container') {
    return a.kept.container === b.kept.container;
  }
  if (a.kept.for === 'start' && b.kept.for === 'start') return a.kept.endpoint === b.kept.endpoint;
  return a.container === b.container;
}

export function sameNetwork(a: Publication['network'], b: Publication['network']): boolean {
  return a.id === b.id || (a.name !== undefined && a.name === b.name);
}
