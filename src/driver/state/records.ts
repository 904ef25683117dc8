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
import {
  type ExposedPort,
  type OpenPort,
  type PortBinding,
  type Protocol,
  parsePort,
  protocols,
} from '../../core/ports/port.js';
import { listField, objectField, textField, unreadableField } from '../../core/record-fields.js';
import type { ProcessId } from '../host.js';

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
  /** Chosen host ports. */
  readonly bindings: readonly PortBinding[];
  /** Ports that another endpoint of the container has taken over, and will give back: `usecases/siblings.ts`. */
  readonly yielded: readonly PortBinding[];
  /** Published without a host port: those of a network in mode `routed`. */
  readonly opened: readonly OpenPort[];
  readonly exposed: readonly ExposedPort[];
  /** Ports that are being released: written before their rules are removed, which may still be there. */
  readonly released?: Pick<EndpointRecord, 'bindings' | 'opened'>;
}

export function encodeNetwork(record: NetworkRecord): unknown {
  return { ...record, addressesMade: record.addressesMade.map(cidrText) };
}

export function encodeEndpoint(record: EndpointRecord): unknown {
  const { released, ...rest } = record;
  return {
    ...rest,
    ...encodePorts(record),
    yielded: record.yielded.map(encodeBinding),
    ...(released === undefined ? {} : { released: encodePorts(released) }),
    exposed: record.exposed.map(({ protocol, port }) => [protocol, port]),
  };
}

function encodePorts({ bindings, opened }: Pick<EndpointRecord, 'bindings' | 'opened'>) {
  return {
    bindings: bindings.map(encodeBinding),
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
    engine:
      fields.engine === undefined ? undefined : (textField(fields.engine, 'engine') as ProcessId),
    sandboxKey:
      fields.sandboxKey === undefined ? undefined : textField(fields.sandboxKey, 'sandboxKey'),
    ...decodePorts(fields),
    yielded: listField(fields.yielded ?? [], 'yielded').map(binding),
    ...(fields.released === undefined
      ? {}
      : { released: decodePorts(objectField(fields.released, 'released')) }),
    exposed: listField(fields.exposed, 'exposed').map(exposed),
    networkId: id(parseNetworkId, fields.networkId ?? input.networkId, 'networkId'),
    endpointId: id(parseEndpointId, fields.endpointId ?? input.endpointId, 'endpointId'),
    frontEnd: frontEnd(fields.frontEnd),
    input,
  };
}

function addresses(value: unknown): Cidr[] {
  return listField(value, 'addressesMade').map((entry) => {
    const cidr = parseCidr(textField(entry, 'addressesMade'));
    if (cidr === undefined)
      throw unreadableField('addressesMade', 'an address and a prefix length');
    return cidr;
  });
}

function decodePorts(fields: Record<string, unknown>): Pick<EndpointRecord, 'bindings' | 'opened'> {
  return {
    bindings: listField(fields.bindings, 'bindings').map(binding),
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
