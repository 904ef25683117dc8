/**
 * Answers of Docker's HTTP API, versions 1.40 to 1.52, and Docker's own files of containers: parsed JSON →
 * validated values. What lacks something that all versions send makes the whole answer unusable: an error,
 * never a shorter list.
 */
import {
  type Attachment,
  type Compose,
  type EngineContainer,
  type EngineEvent,
  type EngineId,
  type EngineNetwork,
  parseEngineId,
} from '../core/engine-lists.js';
import { parseContainerId, parseEndpointId, parseNetworkId } from '../core/names.js';
import { plainText } from '../core/plain-text.js';

type Fields = Readonly<Record<string, unknown>>;

/** One entry of `GET /containers/json`. */
export function readContainer(value: unknown): EngineContainer {
  const fields = object(value, 'a container');
  // Both can be missing of a container that is being removed.
  const names = list(fields.Names ?? [], 'Names').map((name) => text(name, 'Names'));
  // Names of legacy links have a second slash: `/client/alias`.
  const own = names.find((name) => name.lastIndexOf('/') <= 0) ?? names[0] ?? '';
  const running = ['running', 'paused'].includes(text(fields.State, 'State'));
  const settings = object(fields.NetworkSettings ?? (running ? null : {}), 'NetworkSettings');
  return {
    id: required(parseContainerId(text(fields.Id, 'Id')), 'Id', 'the id of a container'),
    name: plainText(own.replace(/^\//, '')),
    compose: readCompose(fields.Labels),
    running,
    attachments: readAttachments(settings.Networks),
  };
}

/** One entry of `GET /networks`; undefined for one of a swarm, whose ids have another form. */
export function readNetwork(value: unknown): EngineNetwork | undefined {
  const fields = object(value, 'a network');
  const id = parseNetworkId(text(fields.Id, 'Id'));
  const name = plainText(text(fields.Name, 'Name'));
  if (id !== undefined) return { id, name };
  required(text(fields.Scope, 'Scope') === 'swarm' || undefined, 'Id', 'the id of a network');
  return undefined;
}

/** `GET /containers/ID/json`: as the first PID namespace counts; undefined if the container does not run. */
export function readPid(value: unknown): number | undefined {
  const { Pid } = object(object(value, 'a container').State, 'State');
  return typeof Pid === 'number' && Number.isInteger(Pid) && Pid > 0 ? Pid : undefined;
}

/** `GET /info`. */
export function readInfo(value: unknown): { readonly id: EngineId; readonly dataRoot: string } {
  const fields = object(value, 'information');
  const id = required(parseEngineId(text(fields.ID, 'ID')), 'ID', 'the id of an engine');
  return { id, dataRoot: text(fields.DockerRootDir, 'DockerRootDir') };
}

/** One event of `GET /events`; undefined for one that changes no name. */
export function readEvent(value: unknown): EngineEvent | undefined {
  const fields = object(value, 'an event');
  const actor = object(fields.Actor, 'Actor');
  const attributes = object(actor.Attributes ?? {}, 'Attributes');
  const type = text(fields.Type, 'Type');
  if (type === 'network') {
    // A container is connected to the network, or disconnected from it: the network itself is as before.
    const container = parseContainerId(String(attributes.container ?? ''));
    return container === undefined ? { kind: 'networks' } : { kind: 'container', id: container };
  }
  const id = type === 'container' ? parseContainerId(text(actor.ID, 'ID')) : undefined;
  return id === undefined ? undefined : { kind: 'container', id };
}

/** The file `config.v2.json` of a container, which no documentation promises. */
export function readContainerFile(value: unknown): EngineContainer {
  const fields = object(value, 'a container');
  const state = object(fields.State ?? {}, 'State');
  return {
    id: required(parseContainerId(text(fields.ID, 'ID')), 'ID', 'the id of a container'),
    name: plainText(text(fields.Name, 'Name').replace(/^\//, '')),
    compose: readCompose(object(fields.Config ?? {}, 'Config').Labels),
    running: state.Running === true,
    attachments: readAttachments(object(fields.NetworkSettings ?? {}, 'NetworkSettings').Networks),
  };
}

function readAttachments(networks: unknown): Attachment[] {
  return Object.entries(object(networks ?? {}, 'Networks')).map(([name, value]) => {
    const fields = object(value ?? {}, 'Networks');
    return {
      networkName: plainText(name),
      network: parseNetworkId(text(fields.NetworkID ?? '', 'NetworkID')),
      endpoint: parseEndpointId(text(fields.EndpointID ?? '', 'EndpointID')),
    };
  });
}

function readCompose(value: unknown): Compose | undefined {
  const labels = object(value ?? {}, 'Labels');
  const project = labels['com.docker.compose.project'];
  const service = labels['com.docker.compose.service'];
  if (typeof project !== 'string' || typeof service !== 'string') return undefined;
  return { project: plainText(project), service: plainText(service) };
}

function object(value: unknown, name: string): Fields {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return required(isObject ? (value as Fields) : undefined, name, 'an object');
}

function list(value: unknown, name: string): readonly unknown[] {
  return required(Array.isArray(value) ? value : undefined, name, 'a list');
}

function text(value: unknown, name: string): string {
  return required(typeof value === 'string' ? value : undefined, name, 'a string');
}

function required<T>(value: T | undefined, name: string, expected: string): T {
  if (value === undefined) throw new Error(`${name} should be ${expected}`);
  return value;
}
