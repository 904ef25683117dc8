/** Composition root: builds everything by hand, in order; starts and stops it. */
import { existsSync } from 'node:fs';
import { namesRoute } from './admin/routes/names.js';
import type { Config } from './config/config.js';
import type { FirewallSettings } from './core/generations/generation.js';
import { PortAllocator } from './core/ports/allocator.js';
import { findFacts, startAdmin, variantsOf } from './daemon/admin.js';
import { findFirewall, type Iptables, makeIptables, makeRules } from './daemon/firewall.js';
import { logUncaught } from './daemon/last-words.js';
import { testRoutes } from './daemon/leases.js';
import { setLimitsRoutes } from './daemon/limits.js';
import { askEngine, dockerEngine } from './daemon/names.js';
import { keepEvents, type Observing, startObserving } from './daemon/observing.js';
import { Opened } from './daemon/opened.js';
import { stopSignal, tellReady } from './daemon/process.js';
import { superviseProxy } from './daemon/proxy.js';
import { keepPublications } from './daemon/publications.js';
import { giveMemoryBack } from './daemon/resting.js';
import { watchStalls } from './daemon/stalls.js';
import { countedStore, TelemetryHub } from './daemon/telemetry.js';
import { BridgeDriver } from './driver/driver.js';
import type { Log } from './driver/host.js';
import { type HostReading, readHost, recover } from './driver/recover.js';
import { deadEndpoints, hostConcerns } from './driver/repair/concerns/all.js';
import { SelfRepair } from './driver/repair/self-repair.js';
import { GenerationChoice } from './driver/rules/generation-choice.js';
import { ContainerRoutes } from './driver/state/container-routes.js';
import { HostRoutes } from './driver/state/host-routes.js';
import { KeyedLocks } from './driver/state/locks.js';
import { NeighbourProxies } from './driver/state/neighbour-proxies.js';
import { Registry } from './driver/state/registry.js';
import { Removals } from './driver/state/removals.js';
import { StrayFlows } from './driver/state/stray-flows.js';
import { readEphemeralPorts } from './driver/usecases/ports/port-settings.js';
import type { World } from './driver/world.js';
import { frontEnds } from './frontends/libnetwork/front-end.js';
import { createServer } from './frontends/libnetwork/server.js';
import { Firewalld } from './host/firewalld.js';
import { watchRules } from './host/iptables/rule-watch.js';
import { Monitor } from './host/monitor.js';
import { ConntrackNetlink } from './host/netlink/conntrack.js';
import { HostRoutesNetlink } from './host/netlink/host-routes.js';
import { LinksNetlink } from './host/netlink/links.js';
import { NeighboursNetlink } from './host/netlink/neighbours.js';
import { RefusedConnectionsNetlink } from './host/netlink/refused-connections.js';
import { SandboxRoutesNetlink } from './host/netlink/sandbox-routes.js';
import { ShapingNetlink } from './host/netlink/shaping.js';
import { garbageCollector } from './host/process/garbage.js';
import { type Libc, loadLibc } from './host/process/libc.js';
import { loadModule } from './host/process/modules.js';
import { ProcessFiles } from './host/process/processes.js';
import { inheritedSocket } from './host/process/systemd.js';
import { lockState, runtime } from './host/records/state-lock.js';
import { RecordFiles } from './host/records/store-file.js';
import { missingPrograms } from './host/requirements.js';
import { SandboxFiles } from './host/sandbox.js';
import { SysctlFiles } from './host/sysctl.js';
import { createLog } from './log.js';
import { noNamesDocument } from './operator/names/names.js';
import { HostOperator } from './operator/status.js';
import type { ProxySupervisor } from './proxy/supervision/supervisor.js';
import { keepLittleFreed } from './unused-memory.js';

/** After a failed start, closing may take so long. Then the process ends, and the kernel frees locks and sockets. */
const closeWithinMs = 10_000;

/**
 * Runs until SIGTERM or SIGINT. The data path goes on afterwards; the next start takes it over.
 *
 * Any failure of the start closes everything that was opened and rejects, so that the process ends with 1 and
 * systemd starts it again. So does a failed recovery, although engines may have connected by then: a daemon
 * that stayed would refuse every call while systemd believes it ready, and a later start may succeed.
 */
export async function runDaemon(config: Config, version: string): Promise<number> {
  keepLittleFreed();
  const log = createLog(config.logLevel);
  const opened = new Opened(log);
  // Until the process ends: what goes on after the stop can fail, too.
  logUncaught(log);
  const stopped = stopSignal();
  try {
    const { recovered } = await start(config, version, log, opened);
    const signal = await Promise.race([stopped, recovered.then(() => stopped)]);
    log.info({ signal }, 'stopping; containers keep their network');
  } catch (error) {
    log.error({ error }, 'the daemon cannot go on');
    // `unref`: the timer itself keeps no process alive. It ends one that something unclosed keeps alive.
    setTimeout(() => process.exit(1), closeWithinMs).unref();
    await opened.close();
    throw error;
  }
  return (await opened.close()) ? 0 : 1;
}

/** Resolves when calls are served; recovery goes on then, and is part of the answer. */
async function start(
  config: Config,
  version: string,
  log: Log,
  opened: Opened,
): Promise<{ readonly recovered: Promise<void> }> {
  const libc = loadLibc();
  const processes = new ProcessFiles(libc, log);
  const lock = await lockState(config.stateDir, libc);
  // Opened first, so closed last: until then no other daemon uses the records.
  opened.add('the lock of the records', () => lock.release());
  const runtimeLock = await lockState(config.runtimeDir, libc, runtime);
  opened.add('the lock of the runtime folder', () => runtimeLock.release());
  const choice = new GenerationChoice(config.firewallGeneration, config.ip6tables);
  const hub = new TelemetryHub();
  const ring = keepEvents(hub);
  const { world, reading, firewall } = await buildWorld(
    ...([config, log, choice, processes, hub, libc] as const),
  );
  const concerns = hostConcerns(world);
  opened.add('the connection to the process that holds ports', () => world.hostPorts.detach());
  opened.add('the iptables commands that wait', () => firewall?.commands.close());
  opened.add('the sockets of nf_tables', () => firewall?.close());
  opened.add('what removes links', () => world.removals.idle());
  const findingFirewall = findFirewall(config, firewall, log);
  const recovered = findingFirewall.then(() => recover(world, reading, concerns));
  const recovery = Promise.allSettled([recovered]);
  opened.add('recovery', () => recovery);
  const driver = new BridgeDriver(world, recovered);
  const server = createServer({
    driver,
    log,
    deadlineMs: config.callTimeoutMs,
    collectGarbage: garbageCollector(),
    identifyCaller: (socket) => processes.atOtherEnd(socket),
    telemetry: hub,
  });
  opened.add('the socket of the engine', () => server.close());
  // `findFirewall` waits for a process that lists the rules; fastify makes its routes meanwhile.
  await Promise.all([findingFirewall, server.app.ready()]);
  // Before recovery has finished: an engine that starts must not wait for the answer to Plugin.Activate.
  const inherited = inheritedSocket();
  await server.listen(inherited === undefined ? { path: config.socket } : { fd: inherited });
  await tellReady(libc, log);
  log.info({ socket: config.socket }, 'listening');
  const lacking = missingPrograms(firewall?.commands.variant(4));
  for (const problem of lacking) log.error({}, problem);
  const stalls = watchStalls();
  opened.add('the watch for stalls', () => {
    log.info({ longestStallMs: stalls.longestMs() }, 'the longest time in which nothing else ran');
    stalls.stop();
  });
  const repairs = new SelfRepair(concerns, world, [deadEndpoints(world)]);
  world.rules.onRefusal(() => repairs.noticed({ kind: 'rules', families: [4, 6] }));
  firewall?.open();
  const rules =
    firewall &&
    watchRules(
      firewall.commands,
      firewall.restore,
      {
        changed(author, families = [4, 6]) {
          hub.tell({ kind: 'foreign-change', program: author?.program, families });
          repairs.noticed({ kind: 'rules', families, author });
        },
        lost: () => hub.tell({ kind: 'reports-lost', of: 'rules' }),
      },
      log,
    );
  const monitor = new Monitor(
    rules,
    (change) => repairs.noticed(change),
    log,
    () => hub.tell({ kind: 'reports-lost', of: 'links' }),
  );
  let closing = false;
  opened.add('self-repair', () => {
    closing = true;
    repairs.stop();
  });
  opened.add('the monitors', () => monitor.stop());
  monitor.start();
  const engine = dockerEngine(config, processes);
  const asked = engine && askEngine(config, engine, world);
  asked?.names.start();
  opened.add('questions to the engine', () => asked?.stop());
  const source = engine && asked && { engine, names: asked.names };
  const publications = keepPublications(world, source, libc, recovered, opened);
  let observing: Observing | undefined;
  const facts = () =>
    findFacts({
      ...{ version, config, choice, monitor, stalls, world },
      ...{ lacking, unopened: publications.problems() },
      ...{ names: asked?.names, forgotten: asked?.forgotten },
      firewall,
      metricsProblem: observing?.problem(),
    });
  const statusOf = () => repairs.status();
  const operator = new HostOperator(
    ...([world, statusOf, facts, recovered, concerns, asked?.forgotten] as const),
  );
  giveMemoryBack(hub, log, opened, recovered);
  observing = await startObserving({
    ...{ config, version, world, hub, ring, operator, repairs, server, stalls, lock, libc },
    variants: () => variantsOf({ config, choice, firewall }),
    names: asked && (() => asked.names.current()),
    engine,
  });
  opened.add('what watches the daemon', () => observing?.close());
  const namesRoutes = namesRoute(() => (asked ? asked.names.document() : noNamesDocument));
  const admin = await startAdmin(config, {
    ...{ world, operator, concerns, recovered },
    routes: [
      namesRoutes,
      publications.routes,
      setLimitsRoutes(world, source, recovered),
      testRoutes(world, driver, recovered, opened, choice),
      ...observing.routes,
    ],
  });
  opened.add('the socket for operators', () => admin?.close());
  const serving = recovered.then(
    () => {
      log.info({ networks: world.registry.networks().length }, 'recovered');
      if (closing) return;
      repairs.start();
      asked?.forgotten.start();
    },
    (error) => {
      log.error({ error }, 'recovery failed; no call that changes state is served');
      throw error;
    },
  );
  return { recovered: serving };
}

async function buildWorld(
  config: Config,
  log: Log,
  choice: GenerationChoice,
  processes: ProcessFiles,
  telemetry: TelemetryHub,
  libc: Libc,
): Promise<{
  world: World & { hostPorts: ProxySupervisor; conntrack: ConntrackNetlink };
  reading: HostReading;
  /** undefined: no rules are written. */
  firewall: Iptables | undefined;
}> {
  const sysctls = new SysctlFiles(config.sysctlDir);
  const links = new LinksNetlink();
  const store = countedStore(await RecordFiles.open(config.stateDir), telemetry);
  const settings: FirewallSettings = {
    userlandProxy: config.userlandProxy,
    bridgeAcceptFwmark: config.bridgeAcceptFwmark,
  };
  const firewall = config.iptables ? makeIptables(config, log) : undefined;
  const reading = readHost(store, links, log);
  const program = new URL('./proxy/main.js', import.meta.url);
  const hostPorts = superviseProxy(config, program, processes, log);
  const registry = new Registry();
  const conntrack = new ConntrackNetlink();
  const world = {
    links,
    shaping: new ShapingNetlink(),
    hostRoutes: new HostRoutes(new HostRoutesNetlink(), registry),
    neighbourProxies: new NeighbourProxies(new NeighboursNetlink(libc), sysctls, registry),
    containerRoutes: new ContainerRoutes(new SandboxRoutesNetlink(libc), registry, log),
    removals: new Removals(links, log),
    strayFlows: new StrayFlows(hostPorts, conntrack, log),
    sandboxes: new SandboxFiles(),
    processes,
    sysctls,
    loadModule,
    conntrack,
    refusedConnections: new RefusedConnectionsNetlink(),
    zones: new Firewalld(log),
    ...makeRules(firewall, telemetry, { choice, settings, registry, links, log }),
    hostPorts,
    allocator: new PortAllocator(await readEphemeralPorts(sysctls)),
    store,
    registry,
    networkLocks: new KeyedLocks<string>((durationMs) =>
      telemetry.tell({ kind: 'wait', for: 'network', durationMs }),
    ),
    endpointLocks: new KeyedLocks<string>(),
    sandboxLocks: new KeyedLocks<string>(),
    frontEnds: frontEnds(),
    settings: {
      userlandProxy: config.userlandProxy,
      iptables: config.iptables,
      ip6tables: config.ip6tables,
      ignoreBrNetfilterError: config.ignoreBrNetfilterError || existsSync('/.dockerenv'),
      ipForward: config.ipForward,
      ipForwardNoDrop: config.ipForwardNoDrop,
      allowDirectRouting: config.allowDirectRouting,
      ipMasq: config.ipMasq,
      defaultBindingIp: config.defaultBindingIp,
    },
    log,
    telemetry,
  };
  return { world, reading, firewall };
}
