/** Publishes and unpublishes ports as an operator asks for it: reads the words, and answers with what was done. */
import { DriverError } from '../core/errors.js';
import { parseEngineName } from '../core/names.js';
import type { Protocol } from '../core/ports/port.js';
import { Problems, show } from '../core/problems.js';
import { type Asker, type Kept, parseUserName } from '../core/publications/publication.js';
import { parsePortWord, type WordedPorts } from '../core/publications/words.js';
import type { PublicationKeeper } from '../driver/publications/keeper.js';
import { describe, type PublishedPorts } from '../driver/publications/operations.js';
import type { Registry } from '../driver/state/registry.js';
import { shownInEvent } from '../driver/telemetry.js';

/** Whom the operator's words are about. */
export interface AskedPlace {
  /** A name, an id, or the first digits of an id. */
  readonly container: string;
  /** Name, id, or first digits of the id of a network, or the name of its bridge. */
  readonly network?: string | undefined;
  /** Whom `sudo` said to be. */
  readonly sudoUser?: string | undefined;
}

export interface PublishBody extends AskedPlace {
  readonly ports: readonly string[];
  readonly kept: Kept['for'];
  /** true: a port that is taken is an answer, and no error. */
  readonly ifFree: boolean;
}

export interface UnpublishBody extends AskedPlace {
  /** Absent: all of the place. */
  readonly ports?: readonly string[] | undefined;
}

export interface PublicationDocument {
  readonly id: string;
  /** As it was called when it was published. */
  readonly container: string;
  /** null: it is kept for the name. */
  readonly containerId: string | null;
  readonly network: { readonly id: string; readonly name: string | null };
  /** `127.0.0.1:9229:9229/tcp` */
  readonly ports: string;
  readonly kept: Kept['for'];
  /** RFC 3339, UTC. */
  readonly since: string;
  readonly asker: { readonly uid: number | null; readonly sudoUser: string | null };
  /** `waiting`: the container does not run; `degraded`: it does, and the ports are not open. */
  readonly state: 'open' | 'waiting' | 'degraded';
  /** Why it is degraded. */
  readonly reason: string | null;
  readonly bindings: readonly {
    readonly protocol: Protocol;
    readonly hostAddress: string;
    readonly hostPort: number;
    readonly containerAddress: string;
    readonly containerPort: number;
  }[];
}

export interface PublishAnswer {
  readonly published: readonly PublicationDocument[];
  /** true: all of it was published already. */
  readonly already: boolean;
  /** With `ifFree`: which port is not free, so that nothing was published. */
  readonly taken: string | null;
}

export class Publishing {
  constructor(
    private readonly keeper: PublicationKeeper,
    private readonly recovered: Promise<void>,
  ) {}

  /** @param uid of the process that asks */
  async publish(body: PublishBody, uid: number | undefined): Promise<PublishAnswer> {
    const place = readPlace(body);
    const ports = readWords(body.ports);
    await this.recovered;
    try {
      const asked = { ...place, ports, keptFor: body.kept, asker: askerOf(body, uid) };
      const answers = await this.keeper.publish(asked);
      const already = answers.every((each) => each.already);
      return { published: answers.map(documentOf), already, taken: null };
    } catch (error) {
      if (!body.ifFree || !(error instanceof DriverError) || !isTaken(error)) throw error;
      return { published: [], already: false, taken: error.message };
    }
  }

  /** Answers with what was there. */
  async unpublish(
    body: UnpublishBody,
    uid: number | undefined,
  ): Promise<readonly PublicationDocument[]> {
    const place = readPlace(body);
    const words = body.ports && readWords(body.ports).map(({ word }) => word);
    await this.recovered;
    const gone = await this.keeper.unpublish(place, words, askerOf(body, uid));
    return gone.map(documentOf);
  }

  async list(): Promise<readonly PublicationDocument[]> {
    await this.recovered;
    return this.keeper.list().map(documentOf);
  }
}

/** Lists publications from the registry alone, so also from one that was made from records without the daemon. */
export function publicationsIn(registry: Registry): readonly PublicationDocument[] {
  return registry.publications.all().map((each) => documentOf(describe({ registry }, each)));
}

/** Text for an event: which ports of whom, and which user asked. */
export function toldOf(documents: readonly PublicationDocument[], uid: number | undefined): string {
  const places = [...new Set(documents.map(({ container }) => container))].join(', ');
  const ports = documents.slice(0, shownInEvent).map((each) => each.ports);
  const more = documents.length - ports.length;
  const rest = more > 0 ? ` and ${more} more` : '';
  const who = uid === undefined ? 'an unknown user' : `user ${uid}`;
  return `${ports.join(', ')}${rest} of ${places}, by ${who}`;
}

/**
 * Ports that one request can name, at most: a word can be a range of all ports, and a request can have a thousand
 * words.
 */
const mostPorts = 65_535;

const isTaken = ({ code }: DriverError): boolean =>
  code === 'port-allocated' || code === 'port-unavailable';

function readPlace({ container, network }: AskedPlace) {
  const problems = new Problems();
  for (const word of [container, network]) {
    if (word !== undefined && parseEngineName(word) === undefined) {
      problems.add(`${show(word)} is neither a name nor an id`);
    }
  }
  return problems.resolve({ container, network }, 'bad-request', 'finding the container');
}

function readWords(texts: readonly string[]): WordedPorts[] {
  const problems = new Problems();
  const words: WordedPorts[] = [];
  let count = 0;
  for (const text of texts) {
    const ports = parsePortWord(text);
    if (typeof ports === 'string') problems.add(ports);
    else {
      words.push(ports);
      count += ports.requests.length;
    }
    if (count <= mostPorts) continue;
    problems.add(`more than ${mostPorts} ports are named: ask for them in several requests`);
    break;
  }
  if (texts.length === 0) problems.add('no port is named');
  return problems.resolve(words, 'bad-request', 'reading the ports');
}

function askerOf({ sudoUser }: AskedPlace, uid: number | undefined): Asker {
  return { uid, sudoUser: sudoUser === undefined ? undefined : parseUserName(sudoUser) };
}

function documentOf({ publication, bindings, trouble }: PublishedPorts): PublicationDocument {
  const { id, container, network, kept, word, since, asker } = publication;
  return {
    id,
    container,
    containerId: kept.for === 'container' ? kept.container : null,
    network: { id: network.id, name: network.name ?? null },
    ports: word,
    kept: kept.for,
    since,
    asker: { uid: asker.uid ?? null, sudoUser: asker.sudoUser ?? null },
    state: bindings.length > 0 ? 'open' : trouble === undefined ? 'waiting' : 'degraded',
    reason: trouble ?? null,
    bindings: bindings.map(({ protocol, hostIp, hostPort, containerIp, containerPort }) => ({
      ...{ protocol, hostAddress: hostIp, hostPort },
      ...{ containerAddress: containerIp, containerPort },
    })),
  };
}
