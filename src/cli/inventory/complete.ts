/** Names that begin like a word, for a shell that waits: whatever fails or takes long is left out. */
import { readConfig } from '../../config/config.js';
import { askDaemon } from '../admin-client.js';
import type { Terminal } from '../terminal.js';
import { namesFor } from './find.js';
import { readInventory } from './read.js';

const timeoutMs = 300;

export type NameKind = 'container' | 'network' | 'thing';

/** Sorted, each once. */
export async function namesBeginning(
  kind: NameKind,
  prefix: string,
  { environment }: Pick<Terminal, 'environment'>,
): Promise<string[]> {
  const config = await readConfig([], environment);
  const daemon = { runtimeDir: config.runtimeDir, timeoutMs };
  const [{ networks, endpoints }, names] = await Promise.all([
    readInventory({ config, request: (method, path) => askDaemon(daemon, method, path) }),
    namesFor({ config, noNames: false }),
  ]);
  const containers = endpoints.map(({ id }) => names.containerOf(id)?.name);
  const ofNetworks = networks.flatMap(({ id, bridge }) => [names.networkName(id), bridge]);
  const things = endpoints.flatMap(({ veth, ipv4, ipv6, ports }) => [
    veth,
    ...[ipv4, ipv6].map((address) => address?.split('/')[0]),
    ...ports.map(({ hostPort }) => String(hostPort)),
  ]);
  const all = {
    container: containers,
    network: ofNetworks,
    thing: [...containers, ...ofNetworks, ...things],
  }[kind];
  const fitting = all.filter((name) => name?.startsWith(prefix) === true);
  return [...new Set(fitting as string[])].sort();
}
