/**
 * What is kept on disk: the inputs of each network and endpoint, from which the whole host state
 * can be planned again. Reading a record is as careful as reading a request.
 */
import { type Cidr, cidrText, parseCidr, parseIp } from '../../core/address.js';
import { DriverError } from '../../core/errors.js';
import { type GenerationName, generationNames } from '../../core/generations/generation.js';
import {
  type EndpointId,
  type NetworkId,
  parseEndpointId,
  parseNetworkId,
} from '../../core/names.js';
import type { GivenLimits } from '../../core/network/limits.js';
import {
  type ExposedPort,
  type OpenPort,
  type PortBinding,
  type Protocol,
  parsePort,
  protocols,
} from '../../core/ports/port.js';
import { type AddedPorts, parsePublicationId } from '../../core/publications/publication.js';
import { listField, objectField, textField, unreadableField } from '../../core/record-fields.js';
import type { ProcessId } from '../host.js';
import { decodeLimits } from './limit-records.js';

/**
 * `creating` is written before the host is touched, `removing` before the first thing is taken
 * away. The engine has not been told of what is `creating`. A network is `ready` before the engine is
 * told of it; an endpoint is `created` then, and `ready` when it is joined.
 */
export type Phase = 'creating' | 'created' | 'ready' | 'removing';
const phases: readonly Phase[] = ['creating', 'created', 'ready', 'removing'];

/** The daemon's settings and the generation with which a network's rules on the host were written. */
export interface RuleSettings {
  readonly generation: GenerationName;
  readonly userlandProxy: boolean;
  readonly loopbackSpared: boolean;
  readonly masquerade: boolean;
  readonly allowDirectRouting: boolean;
}

export interface NetworkRecord {
  readonly phase: Phase;
  /** Networks are brought back in the order in which they were made. */
  readonly sequence: number;
  /** false: the bridge was there before, and stays when the network goes. */
  readonly bridgeMade: boolean;
  /** Addresses that the network has added to a bridge of the user's, and removes when it goes. */
  readonly addressesMade: readonly Cidr[];
  /**
   * With what the network's rules on the host were written. Its generation is also the best guess
   * after a reboot, before the engine has started.
   */
  readonly ruleSettings: RuleSettings;
  /** The engine that created it; absent if that could not be found out, and in records of earlier versions. */
  readonly engine?: ProcessId;
  /** Limits that an operator has set for all containers of the network. */
  readonly limits?: GivenLimits;
  /** Which front end asked for it, and what it said: see `front-end.ts`. */
  readonly frontEnd: string;
  readonly input: unknown;
}

export interface EndpointRecord {
  readonly phase: Phase;
  readonly sequence: number;
  readonly networkId: NetworkId;
  readonly endpointId: EndpointId;
  /** Which front end asked for it, and what it said, without ports: see `front-end.ts`. */
  readonly frontEnd: string;
  readonly input: unknown;
  /** Which of the endpoint's possible veth names was free. */
  readonly nameAttempt: number;
  /** The engine that created it or joined it last; undefined if that could not be found out. */
  readonly engine: ProcessId | undefined;
  /** Path of the container's network namespace, once the engine has said it. */
  readonly sandboxKey: string | undefined;
  /** The container's end of the link was seen to be in the container: a start of it has succeeded. */
  readonly moved?: true;
  /** Published ports with the host addresses and ports that were chosen for them. */
  readonly bindings: readonly PortBinding[];
  /** Ports that another endpoint of the container has taken over, and will give back: `usecases/ports/siblings.ts`. */
  readonly yielded: readonly PortBinding[];
  /** Ports that an operator has published, beside the engine's: `usecases/ports/added-ports.ts`. */
  readonly added: readonly AddedPorts[];
  /** Ports that are published without a host port: those of a network in mode `routed`. */
  readonly opened: readonly OpenPort[];
  readonly exposed: readonly ExposedPort[];
  /** Ports that are being released: written before their rules are removed, which may still be there. */
  readonly released?: RecordedPorts;
  /**
   * When the engine published `bindings`; RFC 3339, UTC. undefined: there are none, or a version before 0.2.0 wrote
   * the record.
   */
  readonly publishedAt: string | undefined;
  /** Limits that an operator has set for this endpoint. */
  readonly limits?: GivenLimits;
}

/** Ports that have rules. */
export type RecordedPorts = Pick<EndpointRecord, 'bindings' | 'opened' | 'added'>;

export function encodeNetwork(record: NetworkRecord): unknown {
  return { ...record, addressesMade: record.addressesMade.map(cidrText) };
}

export function encodeEndpoint(record: EndpointRecord): unknown {
  const { released, added: _, ...rest } = record;
  return {
    ...rest,
    ...encodePorts(record),
    yielded: record.yielded.map(encodeBinding),
    ...(released === undefined ? {} : { released: encodePorts(released) }),
    exposed: record.exposed.map(({ protocol, port }) => [protocol, port]),
  };
}

function encodePorts({ bindings, opened, added }: RecordedPorts) {
  return {
    bindings: bindings.map(encodeBinding),
    ...(added.length === 0 ? {} : { added: added.map(encodeAdded) }),
    opened: opened.map((port) => [port.protocol, port.containerIp, port.containerPort]),
  };
}

const encodeBinding = (b: PortBinding): unknown => [
  b.protocol,
  b.hostIp,
  b.hostPort,
  b.containerIp,
  b.containerPort,
];

function encodeAdded({ publication, bindings }: AddedPorts): unknown {
  return { publication, bindings: bindings.map(encodeBinding) };
}

/** Throws `record-unreadable`; the store adds the name of the file. */
export function decodeNetwork(value: unknown): NetworkRecord {
  const fields = objectField(value, 'record');
  // Records of the first format call the rule settings `terms`.
  return {
    phase: phase(fields.phase),
    sequence: number(fields.sequence, 'sequence'),
    bridgeMade: fields.bridgeMade === true,
    addressesMade: addresses(fields.addressesMade ?? []),
    ruleSettings: ruleSettings(objectField(fields.ruleSettings ?? fields.terms, 'ruleSettings')),
    ...(fields.engine === undefined ? {} : { engine: engine(fields.engine) }),
    ...(fields.limits === undefined ? {} : { limits: decodeLimits(fields.limits) }),
    frontEnd: frontEnd(fields.frontEnd),
    input: objectField(fields.input, 'input'),
  };
}

/** Throws `record-unreadable`; the store adds the name of the file. */
export function decodeEndpoint(value: unknown): EndpointRecord {
  const fields = objectField(value, 'record');
  const input = objectField(fields.input, 'input');
  // Records of the first format name no front end, and say `creating` until the endpoint is joined.
  const old = fields.frontEnd === undefined && fields.phase === 'creating';
  return {
    phase: old ? 'created' : phase(fields.phase),
    sequence: number(fields.sequence, 'sequence'),
    nameAttempt: number(fields.nameAttempt, 'nameAttempt'),
    engine: fields.engine === undefined ? undefined : engine(fields.engine),
    sandboxKey:
      fields.sandboxKey === undefined ? undefined : textField(fields.sandboxKey, 'sandboxKey'),
    ...(fields.moved === true && { moved: true as const }),
    ...decodePorts(fields),
    yielded: listField(fields.yielded ?? [], 'yielded').map(binding),
    ...(fields.released === undefined
      ? {}
      : { released: decodePorts(objectField(fields.released, 'released')) }),
    publishedAt:
      fields.publishedAt === undefined ? undefined : textField(fields.publishedAt, 'publishedAt'),
    ...(fields.limits === undefined ? {} : { limits: decodeLimits(fields.limits) }),
    exposed: listField(fields.exposed, 'exposed').map(exposed),
    networkId: id(parseNetworkId, fields.networkId ?? input.networkId, 'networkId'),
    endpointId: id(parseEndpointId, fields.endpointId ?? input.endpointId, 'endpointId'),
    frontEnd: frontEnd(fields.frontEnd),
    input,
  };
}

function engine(value: unknown): ProcessId {
  return textField(value, 'engine') as ProcessId;
}

function addresses(value: unknown): Cidr[] {
  return listField(value, 'addressesMade').map((entry) => {
    const cidr = parseCidr(textField(entry, 'addressesMade'));
    if (cidr === undefined)
      throw unreadableField('addressesMade', 'an address and a prefix length');
    return cidr;
  });
}

function decodePorts(fields: Record<string, unknown>): RecordedPorts {
  return {
    bindings: listField(fields.bindings, 'bindings').map(binding),
    added: listField(fields.added ?? [], 'added').map(added),
    opened: listField(fields.opened ?? [], 'opened').map(opened),
  };
}

function binding(value: unknown): PortBinding {
  const [name, host, hostPort, container, containerPort] = listField(value, 'bindings');
  const hostIp = parseIp(textField(host, 'bindings'));
  const containerIp = parseIp(textField(container, 'bindings'));
  const from = parsePort(number(hostPort, 'bindings'));
  const to = parsePort(number(containerPort, 'bindings'));
  if (!hostIp || !containerIp || !from || !to) throw unreadableField('bindings', 'a port binding');
  return { protocol: protocol(name), hostIp, hostPort: from, containerIp, containerPort: to };
}

function added(value: unknown): AddedPorts {
  const fields = objectField(value, 'added');
  const publication = parsePublicationId(textField(fields.publication, 'added'));
  if (publication === undefined) throw unreadableField('added', 'ports of a publication');
  return { publication, bindings: listField(fields.bindings, 'added').map(binding) };
}

function exposed(value: unknown): ExposedPort {
  const [name, written] = listField(value, 'exposed');
  const port = parsePort(number(written, 'exposed'));
  if (!port) throw unreadableField('exposed', 'a port of a container');
  return { protocol: protocol(name), port };
}

function opened(value: unknown): OpenPort {
  const [name, container, port] = listField(value, 'opened');
  const containerIp = parseIp(textField(container, 'opened'));
  const containerPort = parsePort(number(port, 'opened'));
  if (!containerIp || !containerPort) throw unreadableField('opened', 'a port of a container');
  return { protocol: protocol(name), containerIp, containerPort };
}

/** Records without a name are of libnetwork: records of the first format name no front end. */
function frontEnd(value: unknown): string {
  return value === undefined ? 'libnetwork' : textField(value, 'frontEnd');
}

function id<Id>(parse: (text: string) => Id | undefined, value: unknown, name: string): Id {
  const match = parse(textField(value, name));
  if (match === undefined) throw new DriverError('record-unreadable', 'its ids are none');
  return match;
}

function phase(value: unknown): Phase {
  const match = phases.find((name) => name === value);
  if (match === undefined) throw unreadableField('phase', phases.join(', '));
  return match;
}

function ruleSettings(fields: Record<string, unknown>): RuleSettings {
  return {
    generation: generation(fields.generation),
    userlandProxy: flag(fields.userlandProxy, 'userlandProxy'),
    loopbackSpared: flag(fields.loopbackSpared, 'loopbackSpared'),
    masquerade: flag(fields.masquerade, 'masquerade'),
    allowDirectRouting: flag(fields.allowDirectRouting, 'allowDirectRouting'),
  };
}

function generation(value: unknown): GenerationName {
  const match = generationNames.find((name) => name === value);
  if (match === undefined) throw unreadableField('generation', generationNames.join(', '));
  return match;
}

function protocol(value: unknown): Protocol {
  const match = protocols.find((name) => name === value);
  if (match === undefined) throw unreadableField('protocol', protocols.join(', '));
  return match;
}

function flag(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw unreadableField(name, 'true or false');
  return value;
}

function number(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw unreadableField(name, 'a number');
  return value;
}
