/** The operator's side of the composition root: its socket, and what only the root knows. */
import { type AdminServer, createAdminServer } from '../admin/server.js';
import { buildId } from '../build-id.js';
import type { Config } from '../config/config.js';
import { messageOf } from '../core/errors.js';
import type { Concern } from '../driver/repair/concern.js';
import type { SelfRepair } from '../driver/repair/self-repair.js';
import type { GenerationChoice } from '../driver/rules/generation-choice.js';
import type { World } from '../driver/world.js';
import type { IptablesCommands } from '../host/iptables/commands.js';
import type { Monitor } from '../host/monitor.js';
import { type Facts, HostOperator } from '../operator/status.js';
import type { ProxySupervisor } from '../proxy/supervisor.js';
import { listenOn } from '../unix-socket.js';
import type { Stalls } from './stalls.js';

export interface AdminParts {
  readonly world: World;
  readonly repairs: SelfRepair;
  readonly concerns: readonly Concern[];
  readonly recovered: Promise<void>;
  readonly facts: () => Promise<Facts>;
}

/** undefined if it cannot listen, which is logged: containers work without this socket. */
export async function startAdmin(
  config: Config,
  { world, repairs, concerns, recovered, facts }: AdminParts,
): Promise<AdminServer | undefined> {
  const { log } = world;
  const operator = new HostOperator(world, () => repairs.status(), facts, recovered, concerns);
  const server = createAdminServer(operator, log);
  try {
    await server.app.ready();
    await listenOn(server.app.server, { path: `${config.runtimeDir}/admin.sock` });
    return server;
  } catch (error) {
    log.error({ error }, 'the socket for operators could not be opened; tsbridge status will fail');
    return undefined;
  }
}

export interface Known {
  readonly version: string;
  readonly config: Config;
  readonly choice: GenerationChoice;
  /** undefined: no rules are written. */
  readonly iptables: IptablesCommands | undefined;
  readonly monitor: Monitor;
  /** Programs that the host lacks, in words. */
  readonly lacking: readonly string[];
  readonly stalls: Stalls;
  readonly world: World & { readonly hostPorts: ProxySupervisor };
}

export async function findFacts(known: Known): Promise<Facts> {
  const { version, config, choice, iptables, monitor, lacking, stalls, world } = known;
  const problems = [...lacking, ...monitor.problems()];
  const ip6tables = config.ip6tables === false ? undefined : iptables?.variant(6);
  if (iptables !== undefined && config.ip6tables !== false && ip6tables === undefined) {
    problems.push('this host has no working ip6tables: there are no rules for IPv6');
  }
  let proxy: Facts['proxy'] = null;
  let confined = true;
  let answered = true;
  try {
    const stats = await world.hostPorts.stats();
    if (stats !== undefined) {
      const { pid, build, node, listeners, connections } = stats;
      proxy = { pid, build, node, listeners, connections };
      confined = stats.confined;
    }
  } catch (error) {
    answered = false;
    problems.push(messageOf(error));
  }
  problems.push(...world.hostPorts.problems());
  if (proxy !== null && (proxy.build !== buildId || proxy.node !== process.version)) {
    problems.push(
      `the process that holds published ports runs another build (${proxy.build}, Node.js ` +
        `${proxy.node}): its sockets could not be handed over; restarting tsbridge tries again`,
    );
  }
  if (proxy !== null && !confined) {
    problems.push('the process that holds published ports could not give up powers of root');
  }
  const publishes = world.registry.endpoints().some(({ record }) => record.bindings.length > 0);
  if (proxy === null && answered && publishes)
    problems.push('the process that holds published ports is gone');
  return {
    version,
    build: buildId,
    node: process.version,
    iptables: iptables?.variant(4) ?? 'off',
    ip6tables: ip6tables !== undefined && choice.writes(6) ? ip6tables : 'off',
    proxy,
    longestStallMs: stalls.longestMs(),
    problems,
  };
}
