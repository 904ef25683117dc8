/** Networks that a new network must not overlap: those of the host's addresses and routes, of any routing table. */
import { parseIpJson, parseLinks, parseRoutes } from '../../codec/ip-json.js';
import type { Cidr } from '../../core/address.js';
import { runCommand } from '../process/exec.js';

const limits = { timeoutMs: 10_000 };

/** @throws {CommandError} if `ip` cannot be run */
export async function takenNetworks(): Promise<Cidr[]> {
  const routes = (family: 4 | 6) =>
    ip([`-${family}`, '-json', 'route', 'show', 'table', 'all']).then((text) =>
      parseRoutes(text, family),
    );
  const [links, four, six] = await Promise.all([
    ip(['-json', '-details', 'address', 'show']).then(parseLinks),
    routes(4),
    routes(6),
  ]);
  return [
    ...links.flatMap(({ addresses }) => addresses),
    ...[...four, ...six].flatMap(({ destination }) => destination ?? []),
  ];
}

/** An empty list of routes is an empty text in some versions of `ip`. */
async function ip(args: readonly string[]): Promise<string> {
  const { stdout } = await runCommand('ip', args, limits);
  return parseIpJson(stdout).length === 0 ? '[]' : stdout;
}
