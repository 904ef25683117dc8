/** What people call containers and networks, as the engine said last. */
import type { Compose, EngineContainer, EngineNetwork } from '../../core/engine-lists.js';
import {
  type ContainerId,
  type EndpointId,
  type NetworkId,
  parseContainerId,
  parseEndpointId,
  parseNetworkId,
} from '../../core/names.js';
import { type PlainText, plainText } from '../../core/plain-text.js';
import { listField, objectField, textField } from '../../core/record-fields.js';

export interface NamedContainer {
  readonly id: ContainerId;
  readonly name: PlainText;
  readonly compose?: Compose;
  readonly running: boolean;
}

/** How far the names can be trusted. */
export interface NamesSource {
  /** `files`: the engine's own, whose form is no promise; `none`: only ids are known. */
  readonly from: 'docker' | 'files' | 'none';
  /** When they were last known to be right; RFC 3339, UTC. null with `none`. */
  readonly asOf: string | null;
  /** The engine does not answer now. */
  readonly stale: boolean;
}

/** `GET /v1/names` of the operators' socket, and the file in which names outlive the daemon. */
export interface NamesDocument extends NamesSource {
  readonly containers: readonly (NamedContainer & { readonly endpoints: readonly EndpointId[] })[];
  readonly networks: readonly EngineNetwork[];
}

export interface Names extends NamesSource {
  /** The container that an endpoint connects; undefined also if that is not known. */
  containerOf(endpoint: EndpointId): NamedContainer | undefined;
  networkName(network: NetworkId): PlainText | undefined;
}

/** Only ids are known. */
export const noNamesDocument: NamesDocument = {
  from: 'none',
  asOf: null,
  stale: false,
  containers: [],
  networks: [],
};

export const noNames: Names = namesOf(noNamesDocument);

export function namesOf(document: NamesDocument): Names {
  const { from, asOf, stale } = document;
  const byEndpoint = new Map<EndpointId, NamedContainer>();
  for (const { endpoints, ...container } of document.containers) {
    for (const endpoint of endpoints) byEndpoint.set(endpoint, container);
  }
  const byNetwork = new Map(document.networks.map(({ id, name }) => [id, name]));
  return {
    ...{ from, asOf, stale },
    containerOf: (endpoint) => byEndpoint.get(endpoint),
    networkName: (network) => byNetwork.get(network),
  };
}

/** Networks that are named by attachments only (files know no others) are added to those given. */
export function documentOf(
  source: NamesSource,
  containers: Iterable<EngineContainer>,
  networks: Iterable<EngineNetwork>,
): NamesDocument {
  const named = new Map([...networks].map((network) => [network.id, network]));
  const entries = [...containers].map(({ id, name, compose, running, attachments }) => {
    for (const { network, networkName } of attachments) {
      if (network === undefined || named.has(network)) continue;
      named.set(network, { id: network, name: networkName });
    }
    const endpoints = attachments.flatMap(({ endpoint }) => endpoint ?? []);
    return { id, name, ...(compose && { compose }), running, endpoints };
  });
  return { ...source, containers: entries, networks: [...named.values()] };
}

/**
 * Reads a document of a daemon of another version, or of a file.
 *
 * @throws if it is none
 */
export function readNamesDocument(value: unknown): NamesDocument {
  const fields = objectField(value, 'names');
  const from = (['docker', 'files'] as const).find((each) => each === fields.from) ?? 'none';
  return {
    from,
    asOf: from === 'none' ? null : plainText(textField(fields.asOf, 'asOf'), 40),
    stale: fields.stale === true,
    containers: listField(fields.containers, 'containers').flatMap((entry) => {
      const { id, name, compose, running, endpoints } = objectField(entry, 'containers');
      const known = parseContainerId(textField(id, 'id'));
      if (known === undefined) return [];
      return {
        id: known,
        name: plainText(textField(name, 'name')),
        ...(compose !== undefined && { compose: readCompose(compose) }),
        running: running === true,
        endpoints: listField(endpoints, 'endpoints').flatMap(
          (endpoint) => parseEndpointId(textField(endpoint, 'endpoints')) ?? [],
        ),
      };
    }),
    networks: listField(fields.networks, 'networks').flatMap((entry) => {
      const { id, name } = objectField(entry, 'networks');
      const known = parseNetworkId(textField(id, 'id'));
      return known === undefined ? [] : { id: known, name: plainText(textField(name, 'name')) };
    }),
  };
}

function readCompose(value: unknown): Compose {
  const { project, service } = objectField(value, 'compose');
  return {
    project: plainText(textField(project, 'project')),
    service: plainText(textField(service, 'service')),
  };
}
