/** Reads links, routes and sockets of the host for `tsbridge doctor`; changes nothing. */
import { parseLinks, parseNeighbours, parseRoutes } from '../../../codec/ip-json.js';
import type { HostSocket, Link, Route, SeenAddress } from '../../../core/doctor/facts.js';
import { runCommand } from '../../process/exec.js';
import { Containers } from '../inside.js';

const limits = { timeoutMs: 10_000 };

const ip = async (...args: string[]): Promise<string> =>
  (await runCommand('ip', ['-json', ...args], limits)).stdout;

export async function readLinks(): Promise<Link[]> {
  return parseLinks(await ip('-details', 'address', 'show'));
}

export async function readRoutes(): Promise<Route[]> {
  const show = ['route', 'show', 'table', 'all'];
  const [four, six] = await Promise.all([ip('-4', ...show), ip('-6', ...show)]);
  return [...parseRoutes(four, 4), ...parseRoutes(six, 6)];
}

/**
 * Reads the neighbours that the kernel has confirmed within seconds, or was told for good. It asks others again before
 * it uses them.
 */
export async function readSeenAddresses(): Promise<SeenAddress[]> {
  return parseNeighbours(await ip('neighbour', 'show', 'nud', 'reachable', 'nud', 'permanent'));
}

/**
 * The sockets of this network namespace that are open for any sender, with the programs that hold them.
 *
 * @throws {Error} if the user is not root: others do not see the programs
 */
export function readHostSockets(containers = new Containers()): HostSocket[] {
  if (process.getuid?.() !== 0) throw new Error('who holds them is for root only to see');
  const inside = containers.at('/proc/self/ns/net');
  if (inside === undefined) throw new Error('the sockets of this host cannot be read');
  return inside.sockets.map((socket) => {
    const { protocol, address, port } = socket;
    const program = inside.programOf(socket);
    return { protocol, address, port, ...(program === undefined ? {} : { program }) };
  });
}
