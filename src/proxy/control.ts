/** What daemon and proxy process say to each other: one JSON document a line, over a unix socket. */
import { type IpAddress, parseIp } from '../core/address.js';
import { parsePort, protocols } from '../core/ports/port.js';
import type { Listener } from '../driver/host.js';

/**
 * Goes up with every change that a daemon or process of the version before would misunderstand. `hello`,
 * `give` and `retire` are the same in all versions: by them a daemon replaces a process of another version.
 */
export const controlVersion = 2;

/** protocol, host address, host port, container address, container port, mode; how it is shared. */
export type WireListener = readonly [string, string, number, string, number, string, string?];

export type Request =
  | { readonly id: number; readonly op: 'hello' }
  | { readonly id: number; readonly op: 'open'; owner: string; listeners: readonly WireListener[] }
  /** Without listeners: all of the owner's. */
  | {
      readonly id: number;
      readonly op: 'close';
      owner: string;
      listeners?: readonly WireListener[];
    }
  | { readonly id: number; readonly op: 'sync'; owners: Readonly<Record<string, WireListener[]>> }
  /** See `HostPorts`. */
  | { readonly id: number; readonly op: 'pause-udp' | 'resume-udp'; owners: readonly string[] }
  | { readonly id: number; readonly op: 'stats' }
  | { readonly id: number; readonly op: 'list' }
  /** Listens on `path` for the sockets that another process gives, and keeps them without using them. */
  | { readonly id: number; readonly op: 'receive'; readonly path: string }
  /** Sends a duplicate of every listening socket to the process that listens on `path`. */
  | { readonly id: number; readonly op: 'give'; readonly path: string }
  /** Begins to serve the sockets that were received. */
  | { readonly id: number; readonly op: 'adopt' }
  /** Closes the listeners; the process ends when its last connection has ended. */
  | { readonly id: number; readonly op: 'retire' };

/** Index of the listener in the request, the kernel's error, and the system call. */
export type WireFailure = readonly [index: number, code: string, syscall: string];

/** What a proxy process says of itself. */
export interface About {
  readonly pid: number;
  /** Of the code that it runs; see `version.ts`. */
  readonly build: string;
  /** Version of Node.js. */
  readonly node: string;
  /** Its network namespace, as `/proc/self/ns/net` names it. */
  readonly network: string;
  /** Whether it has no more of root's powers than it needs. */
  readonly confined: boolean;
}

/** What the process has carried since its start. */
export interface Traffic {
  readonly udpFlows: number;
  /** Connections of clients: those that were taken, and those for which there was no room. */
  readonly accepted: number;
  readonly refused: number;
  /** Bytes of TCP. */
  readonly toContainers: number;
  readonly toClients: number;
  readonly residentBytes: number;
}

export interface Reply {
  readonly id: number;
  readonly version?: number;
  readonly about?: About;
  readonly failures?: readonly WireFailure[];
  readonly listeners?: number;
  readonly connections?: number;
  readonly traffic?: Traffic;
  readonly owners?: Readonly<Record<string, readonly WireListener[]>>;
  readonly error?: string;
}

export function toWire({ binding, mode, sharing }: Listener): WireListener {
  const { protocol, hostIp, hostPort, containerIp, containerPort } = binding;
  const wire = [protocol, hostIp, hostPort, containerIp, containerPort, mode] as const;
  return sharing === undefined ? wire : [...wire, sharing];
}

/**
 * Reads listeners, and throws on anything that is none. Thousands of them have the same addresses,
 * which one reader parses once.
 */
export function wireReader(): (wire: WireListener) => Listener {
  const addresses = new Map<unknown, IpAddress | undefined>();
  const ipOf = (text: unknown): IpAddress | undefined => {
    if (!addresses.has(text)) addresses.set(text, parseIp(String(text)));
    return addresses.get(text);
  };
  return (wire) => {
    const [name, host, hostNumber, container, containerNumber, mode, shared] = wire;
    const sharing = shared === 'if-held' || shared === 'any-address' ? shared : undefined;
    const protocol = protocols.find((known) => known === name);
    const hostIp = ipOf(host);
    const containerIp = ipOf(container);
    const hostPort = parsePort(Number(hostNumber));
    const containerPort = parsePort(Number(containerNumber));
    if (!protocol || !hostIp || !containerIp || !hostPort || !containerPort) {
      throw new Error(`not a listener: ${JSON.stringify(wire)}`);
    }
    const binding = { protocol, hostIp, hostPort, containerIp, containerPort };
    return { binding, mode: mode === 'reserve' ? 'reserve' : 'forward', sharing };
  };
}

/** Cuts a stream of text into lines. A line longer than `limit` characters is an error. */
export function lineSplitter(
  onLine: (line: string) => void,
  limit = 64 * 1024 * 1024,
): (chunk: string) => void {
  let parts: string[] = [];
  let length = 0;
  return (chunk) => {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf('\n', start);
      if (end < 0) break;
      const line = parts.join('') + chunk.slice(start, end);
      parts = [];
      length = 0;
      start = end + 1;
      onLine(line);
    }
    if (start < chunk.length) {
      parts.push(chunk.slice(start));
      length += chunk.length - start;
    }
    if (length > limit) throw new Error(`line of more than ${limit} characters`);
  };
}
