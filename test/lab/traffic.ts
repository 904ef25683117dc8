/**
 * Questions and answers between the hosts and the containers of a lab: `probe.mjs` at work.
 */
import { join } from 'node:path';
import type { Namespaces, Place } from './namespaces.js';
import { LabProcess, NODE, run, until } from './process.js';

export type Proto = 'tcp' | 'udp';

/** The probe as every place in a lab sees it, containers included (see {@link PROBE_MOUNTS}). */
const PROBE = '/opt/tsbridge/test/lab/probe.mjs';

/** What makes the machine's node and the probe usable in a container of the busybox image. */
export const PROBE_MOUNTS = ['-v', '/usr:/usr:ro', '-v', '/opt/tsbridge:/opt/tsbridge:ro'];

/** What a server says about the one who asked. */
export interface Answer {
  /** The server's host name: of a container, the first 12 characters of its id unless named. */
  name: string;
  /** The address the server sees. */
  peer: string;
  peerPort: number;
  /** The server's own address of the connection (TCP only). */
  local: string;
  /** How many bytes it received. */
  bytes: number;
}

export interface AskOptions {
  proto?: Proto;
  timeoutMs?: number;
  /** The client's source port. */
  localPort?: number;
  /** Size of the question; TCP servers answer when all of it has arrived. */
  bytes?: number;
}

/** The command line of a server, for instance as a container's command. */
export function serveCommand(ports: readonly string[]): string[] {
  return ['/usr/bin/node', PROBE, 'serve', ...ports];
}

/** The command line of a client; it prints the {@link Answer}, or fails. */
export function askCommand(host: string, port: number, options: AskOptions = {}): string[] {
  const { proto = 'tcp', timeoutMs = 2_000, localPort = 0, bytes = 5 } = options;
  const numbers = [port, timeoutMs, localPort, bytes].map(String);
  return ['/usr/bin/node', PROBE, 'ask', proto, host, ...numbers];
}

/** Asks the server at `host:port` once, from `place`; throws if there is no answer. */
export async function ask(
  namespaces: Namespaces,
  place: Place,
  host: string,
  port: number,
  options?: AskOptions,
): Promise<Answer> {
  const [, ...question] = askCommand(host, port, options);
  return JSON.parse(await run(namespaces.enter(place, [...NODE, ...question]))) as Answer;
}

/** Starts a server for `ports` (`tcp/80`, `udp/53`, …) at `place`; resolves when it listens. */
export async function serve(
  namespaces: Namespaces,
  place: Place,
  ports: readonly string[],
): Promise<LabProcess> {
  const command = namespaces.enter(place, [...NODE, PROBE, 'serve', ...ports]);
  const server = new LabProcess(command, join(namespaces.directory, 'servers.log'));
  await until(`a server for ${ports.join(' ')}`, () => {
    if (server.ended) throw new Error(`the server ended: ${server.lines.join('\n')}`);
    return server.lines.includes('ready') || undefined;
  });
  return server;
}
