/** The composition root's part for those who watch the daemon: events, metrics, health, systemd's watchdog. */

import { MetricsListener } from '../admin/metrics-listener.js';
import { eventRoutes } from '../admin/routes/events.js';
import { healthRoutes } from '../admin/routes/health.js';
import { metricsRoute } from '../admin/routes/metrics.js';
import type { AdminRoutes } from '../admin/server.js';
import type { Config } from '../config/config.js';
import type { SelfRepair } from '../driver/repair/self-repair.js';
import { type Event, eventKinds, type Happening } from '../driver/telemetry.js';
import type { World } from '../driver/world.js';
import { readLinkCounters } from '../host/look/link-counters.js';
import type { ConntrackNetlink } from '../host/netlink/conntrack.js';
import { DroppedPackets } from '../host/nf-tables/dropped-packets.js';
import type { Libc } from '../host/process/libc.js';
import { openFilesOf } from '../host/process/open-files.js';
import { notifyWatchdog, watchdogPeriod } from '../host/process/systemd.js';
import type { StateLock } from '../host/records/state-lock.js';
import { countTraces } from '../host/trace/trace-tables.js';
import { EventRing } from '../operator/events/ring.js';
import { defaultHealthTiming, Health } from '../operator/health.js';
import type { EngineQuestions, MetricSources } from '../operator/metrics/sources.js';
import type { Names } from '../operator/names/names.js';
import type { HostOperator } from '../operator/status.js';
import type { ProxySupervisor } from '../proxy/supervision/supervisor.js';
import type { Stalls } from './stalls.js';
import type { TelemetryHub } from './telemetry.js';

/** The events of the happenings, kept for readers from the daemon's start on. */
export function keepEvents(hub: TelemetryHub): EventRing {
  const ring = new EventRing();
  hub.add({
    tell(happening) {
      if (isEvent(happening)) ring.add(happening);
    },
  });
  return ring;
}

const events: ReadonlySet<string> = new Set(eventKinds);

function isEvent(happening: Happening): happening is Event {
  return events.has(happening.kind);
}

export interface ObservingParts {
  readonly config: Config;
  readonly version: string;
  readonly world: World & {
    readonly hostPorts: ProxySupervisor;
    readonly conntrack: ConntrackNetlink;
  };
  readonly hub: TelemetryHub;
  readonly ring: EventRing;
  readonly operator: HostOperator;
  readonly repairs: SelfRepair;
  readonly server: { readonly open: number };
  readonly stalls: Stalls;
  readonly lock: StateLock;
  readonly libc: Libc;
  /** undefined: the settings say that the engine is not asked for names. */
  readonly names: (() => Names) | undefined;
  /** The engine's API; undefined: the settings say that the engine is never asked. */
  readonly engine: { readonly questions: EngineQuestions } | undefined;
  /** Which iptables writes the rules of each family. */
  readonly variants: () => { readonly iptables: string; readonly ip6tables: string };
}

export interface Observing {
  /** Routes for the operators' socket. */
  readonly routes: readonly AdminRoutes[];
  /** Why metrics cannot be served; undefined if they can. */
  problem(): string | undefined;
  close(): Promise<void>;
}

/** How long a scrape waits for the process that holds published ports. */
const proxyPatienceMs = 200;

export async function startObserving(parts: ObservingParts): Promise<Observing> {
  const { config, world, hub, ring, operator, lock, libc } = parts;
  const { log, telemetry } = world;
  const period = watchdogPeriod();
  const health = new Health(
    {
      askKernel: () => world.links.find('lo'),
      problems: () => operator.problems(),
      state: () => operator.state,
      isLocked: () => lock.isHeld(),
      heartbeat: () => notifyWatchdog(libc),
      ...{ telemetry, log },
    },
    {
      ...defaultHealthTiming,
      periodMs: Math.min(defaultHealthTiming.periodMs, period ?? Number.POSITIVE_INFINITY),
    },
  );
  health.start();
  // Imported after calls are served, since no call needs it.
  const { Metrics } = await import('../operator/metrics/metrics.js');
  const metrics = new Metrics(sourcesOf(parts, health));
  hub.add(metrics);
  hub.add({
    tell: (happening) => {
      if (happening.kind === 'repair') operator.repaired(happening.what);
    },
  });
  hub.complete();
  const text = (): Promise<string> => metrics.text();
  const place = config.metricsListen;
  const listener = place === undefined ? undefined : new MetricsListener(place, text, log);
  await listener?.start();
  return {
    routes: [eventRoutes(ring), metricsRoute(text), healthRoutes(health)],
    problem: () => listener?.problem,
    async close() {
      health.stop();
      await listener?.close();
    },
  };
}

function sourcesOf(parts: ObservingParts, health: Health): MetricSources {
  const { config, version, world, operator, repairs, server, stalls, variants, names, engine } =
    parts;
  const dropped = new DroppedPackets((name) => world.registry.ownerOf(name) !== undefined);
  return {
    version,
    registry: world.registry,
    state: () => operator.state,
    problems: () => health.problems,
    rules: () => ({ generation: world.rules.generationName, ...variants() }),
    callsInFlight: () => server.open,
    pending: () => repairs.pending(),
    drift: () => operator.drift,
    longestStallMs: () => stalls.longestMs(),
    loopLag: () => stalls.lag(),
    traces: () => countTraces().catch(() => undefined),
    async proxy() {
      const status = await world.hostPorts.stats(proxyPatienceMs).catch(() => undefined);
      return status && { ...status, openFiles: await openFilesOf(status.pid) };
    },
    proxyRestarts: () => world.hostPorts.losses,
    ...(names === undefined ? {} : { names }),
    engineQuestions: () => engine?.questions,
    desiredRules: () => world.rules.countDesired(),
    async droppedPackets() {
      const { iptables, ip6tables } = variants();
      const written = [iptables, ip6tables].flatMap((variant, index) =>
        variant === 'nft' ? ([4, 6] as const).slice(index, index + 1) : [],
      );
      if (written.length === 0) return undefined;
      return dropped.read(written).catch(() => undefined);
    },
    conntrackDeletions: () => world.conntrack.deletions,
    links: readLinkCounters,
    detail: { networks: config.metricsPerNetwork, endpoints: config.metricsPerEndpoint },
  };
}
