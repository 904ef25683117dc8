/** Published and exposed ports as the engine sends them (docs/docker-bridge.md 3.1 and 6.3). */
import { type IpAddress, parseHostIp } from '../address.js';
import {
  type ExposedPort,
  type Port,
  type PortRequest,
  type Protocol,
  parsePort,
  protocolFromNumber,
} from '../ports/port.js';
import { Problems, show } from '../problems.js';
import { isOptionMap, type OptionMap, OptionReader, optionOf, wellKnown } from './option-reader.js';

/** All that ProgramExternalConnectivity asks for. */
export interface PublishRequest {
  readonly requests: readonly PortRequest[];
  readonly exposed: readonly ExposedPort[];
  /** Another endpoint of the container is its IPv6 gateway (28, docs/docker-bridge.md 3.2). */
  readonly noProxy6To4: boolean;
}

/**
 * Absent and null lists are empty: Go writes a nil slice as null.
 *
 * @param options of ProgramExternalConnectivity; 60,000 ports are read in well under a second
 * @throws DriverError `options-invalid`, with every malformed entry
 */
export function parsePublish(options: OptionMap): PublishRequest {
  const problems = new Problems();
  return problems.resolve(readPublish(options, problems), 'options-invalid', 'publishing ports');
}

function readPublish(options: OptionMap, problems: Problems): PublishRequest {
  const list = <T extends object>(name: string, what: string, read: EntryReader<T>) =>
    readList(optionOf(options, name), read, (problem) => {
      problems.add(() => `invalid ${what} data in connectivity configuration: ${problem()}`);
    });
  const addresses = new HostAddresses();
  return {
    requests: list(wellKnown.portMap, 'port mapping', (entry) => readBinding(entry, addresses)),
    exposed: list(wellKnown.exposedPorts, 'exposed ports', readExposed),
    noProxy6To4: new OptionReader(options, problems).boolean(wellKnown.noProxy6To4) ?? false,
  };
}

/** Answers with the entry's value, or with a text that says what is wrong with it. */
type EntryReader<T> = (entry: OptionMap) => T | string;

function readList<T extends object>(
  list: unknown,
  read: EntryReader<T>,
  complain: (problem: () => string) => void,
): T[] {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) {
    complain(() => `${show(list)} is not a list`);
    return [];
  }
  const values: T[] = [];
  for (const entry of list as unknown[]) {
    const value = isOptionMap(entry) ? read(entry) : 'not an object';
    if (typeof value === 'string') complain(() => `${show(entry)}: ${value}`);
    else values.push(value);
  }
  return values;
}

/** A container with 60,000 ports has them on one or two addresses: each is parsed once. */
class HostAddresses {
  readonly #parsed = new Map<string, IpAddress | undefined>();

  parse(text: unknown): IpAddress | undefined {
    if (typeof text !== 'string') return undefined;
    if (!this.#parsed.has(text)) this.#parsed.set(text, parseHostIp(text));
    return this.#parsed.get(text);
  }
}

/**
 * An entry of the port map. Host ports 0 and 0 are "any"; an end of 0 is a single port (as in
 * Docker's bridge driver). The container's address (`IP`) is known to us and not read.
 */
function readBinding(entry: OptionMap, hostAddresses: HostAddresses): PortRequest | string {
  const protocol = readProtocol(entry);
  if (protocol === undefined) return `unknown protocol ${show(optionOf(entry, 'Proto'))}`;
  const containerPort = readPort(entry);
  if (containerPort === undefined) return 'Port is not a port number from 1 to 65535';
  const host = optionOf(entry, 'HostIP') ?? '';
  const hostIp = host === '' ? undefined : hostAddresses.parse(host);
  if (host !== '' && hostIp === undefined) return 'HostIP is not an IP address';
  const first = hostPort(entry, 'HostPort');
  const last = hostPort(entry, 'HostPortEnd');
  if (first === undefined || last === undefined) {
    return 'HostPort and HostPortEnd are not port numbers from 0 to 65535';
  }
  if (first === 0 && last === 0) return { protocol, containerPort, hostIp, hostPorts: undefined };
  const range = { first: first as Port, last: (last === 0 ? first : last) as Port };
  if (first === 0 || range.last < first) return `invalid port range: ${first}-${last}`;
  return { protocol, containerPort, hostIp, hostPorts: range };
}

function readExposed(entry: OptionMap): ExposedPort | string {
  const protocol = readProtocol(entry);
  if (protocol === undefined) return `unknown protocol ${show(optionOf(entry, 'Proto'))}`;
  const port = readPort(entry);
  return port === undefined ? 'Port is not a port number from 1 to 65535' : { protocol, port };
}

function readProtocol(entry: OptionMap): Protocol | undefined {
  const number = optionOf(entry, 'Proto');
  return typeof number === 'number' ? protocolFromNumber(number) : undefined;
}

function readPort(entry: OptionMap): Port | undefined {
  const number = optionOf(entry, 'Port');
  return typeof number === 'number' ? parsePort(number) : undefined;
}

/** 0 to 65535; absent is 0. */
function hostPort(entry: OptionMap, name: 'HostPort' | 'HostPortEnd'): number | undefined {
  const number = optionOf(entry, name) ?? 0;
  return number === 0 || (typeof number === 'number' && parsePort(number) !== undefined)
    ? number
    : undefined;
}
