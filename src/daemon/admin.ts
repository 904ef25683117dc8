/** The operator's side of the composition root: its socket, and what only the root knows. */
import { differencesRoutes } from '../admin/routes/differences.js';
import { inventoryRoutes } from '../admin/routes/inventory.js';
import { upkeepRoutes } from '../admin/routes/upkeep.js';
import { type AdminRoutes, type AdminServer, createAdminServer } from '../admin/server.js';
import { buildId } from '../build-id.js';
import type { Config } from '../config/config.js';
import { messageOf } from '../core/errors.js';
import type { Forgotten } from '../driver/orphans/forgotten.js';
import type { Concern } from '../driver/repair/concerns/concern.js';
import type { GenerationChoice } from '../driver/rules/generation-choice.js';
import { hostPortsOf } from '../driver/state/registry.js';
import type { World } from '../driver/world.js';
import type { Monitor } from '../host/monitor.js';
import { differencesOf } from '../operator/differences.js';
import type { NameService } from '../operator/names/name-service.js';
import { type NamesSource, noNames } from '../operator/names/names.js';
import type { Problem } from '../operator/problems.js';
import type { Facts, HostOperator } from '../operator/status.js';
import type { ProxySupervisor } from '../proxy/supervision/supervisor.js';
import { listenOn } from '../unix-socket.js';
import type { Iptables } from './firewall.js';
import type { Stalls } from './stalls.js';

export interface AdminParts {
  readonly world: World;
  readonly operator: HostOperator;
  readonly concerns: readonly Concern[];
  readonly recovered: Promise<void>;
  /** Routes beside those of the {@link HostOperator}. */
  readonly routes: readonly AdminRoutes[];
}

/** undefined if it cannot listen, which is logged: containers work without this socket. */
export async function startAdmin(
  config: Config,
  { world, operator, concerns, recovered, routes }: AdminParts,
): Promise<AdminServer | undefined> {
  const { log, telemetry, registry } = world;
  const server = createAdminServer(
    [
      upkeepRoutes(operator, telemetry),
      inventoryRoutes(registry),
      differencesRoutes(() => differencesOf(world, concerns, recovered)),
      ...routes,
    ],
    log,
  );
  try {
    await server.app.ready();
    await listenOn(server.app.server, { path: `${config.runtimeDir}/admin.sock` });
    return server;
  } catch (error) {
    log.error({ error }, 'the socket for operators could not be opened; tsbridge status will fail');
    return undefined;
  }
}

function sourceOf({ from, asOf, stale }: NamesSource): NamesSource {
  return { from, asOf, stale };
}

export interface Known {
  readonly version: string;
  readonly config: Config;
  readonly choice: GenerationChoice;
  /** undefined: no rules are written. */
  readonly firewall: Iptables | undefined;
  readonly monitor: Monitor;
  /** Programs that the host lacks, in words. */
  readonly lacking: readonly string[];
  /** Why publications are not open although their container runs, a sentence each. */
  readonly unopened: readonly string[];
  readonly stalls: Stalls;
  /** What does not work of the metrics. */
  readonly metricsProblem: string | undefined;
  readonly names: NameService | undefined;
  readonly forgotten: Forgotten | undefined;
  readonly world: World & { readonly hostPorts: ProxySupervisor };
}

export async function findFacts(known: Known): Promise<Facts> {
  const { version, config, firewall, monitor, stalls, names, forgotten, world } = known;
  const { lacking, unopened } = known;
  const iptables = firewall?.commands;
  const problems: Problem[] = [
    ...lacking.map((text) => ({ reason: 'program-missing' as const, text })),
    ...unopened.map((text) => ({ reason: 'publication-not-open' as const, text })),
    ...monitor.problems().map((text) => ({ reason: 'monitor-missing' as const, text })),
  ];
  const ip6tables = config.ip6tables === false ? undefined : iptables?.variant(6);
  if (iptables !== undefined && config.ip6tables !== false && ip6tables === undefined) {
    const text = 'this host has no working ip6tables: there are no rules for IPv6';
    problems.push({ reason: 'ip6tables-missing', text });
  }
  const { metricsProblem } = known;
  if (metricsProblem !== undefined) {
    problems.push({ reason: 'metrics-listener', text: metricsProblem });
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
    problems.push({ reason: 'proxy-silent', text: messageOf(error) });
  }
  for (const text of world.hostPorts.problems()) problems.push({ reason: 'port-not-held', text });
  if (proxy !== null && (proxy.build !== buildId || proxy.node !== process.version)) {
    const text =
      `the process that holds published ports runs another build (${proxy.build}, Node.js ` +
      `${proxy.node}): its sockets could not be handed over; restarting tsbridge tries again`;
    problems.push({ reason: 'proxy-other-build', text });
  }
  if (proxy !== null && !confined) {
    const text = 'the process that holds published ports could not give up powers of root';
    problems.push({ reason: 'proxy-not-confined', text });
  }
  const publishes = world.registry.endpoints().some(({ record }) => hostPortsOf(record).length > 0);
  if (proxy === null && answered && publishes) {
    const text = 'the process that holds published ports is gone';
    problems.push({ reason: 'proxy-lost', text });
  }
  return {
    version,
    build: buildId,
    node: process.version,
    ...variantsOf(known),
    ruleBackend: config.ruleBackend,
    ruleCommits: firewall?.backend.counts ?? null,
    proxy,
    longestStallMs: stalls.longestMs(),
    names: sourceOf(names?.current() ?? noNames),
    forgotten: forgotten?.suspects() ?? [],
    problems,
  };
}

type Variant = Facts['iptables'];

/** Which iptables writes the rules of each family. */
export function variantsOf({
  config,
  choice,
  firewall,
}: Pick<Known, 'config' | 'choice' | 'firewall'>): Readonly<
  Record<'iptables' | 'ip6tables', Variant>
> {
  const iptables = firewall?.commands;
  const ip6tables = config.ip6tables === false ? undefined : iptables?.variant(6);
  return {
    iptables: iptables?.variant(4) ?? 'off',
    ip6tables: ip6tables !== undefined && choice.writes(6) ? ip6tables : 'off',
  };
}
