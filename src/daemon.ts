/** Composition root: builds everything by hand, in order; starts and stops it. */
import { existsSync } from 'node:fs';
import type { Config } from './config/config.js';
import type { FirewallSettings } from './core/generations/generation.js';
import { PortAllocator } from './core/ports/allocator.js';
import { findFacts, startAdmin } from './daemon/admin.js';
import { logUncaught } from './daemon/last-words.js';
import { Opened } from './daemon/opened.js';
import { superviseProxy } from './daemon/proxy.js';
import { watchStalls } from './daemon/stalls.js';
import { BridgeDriver } from './driver/driver.js';
import { FrontEnds } from './driver/front-end.js';
import type { Log } from './driver/host.js';
import { type HostReading, readHost, recover } from './driver/recover.js';
import { deadEndpoints, hostConcerns } from './driver/repair/concerns.js';
import { SelfRepair } from './driver/repair/self-repair.js';
import { GenerationChoice } from './driver/rules/generation-choice.js';
import { IptablesFirewall } from './driver/rules/iptables-firewall.js';
import { noRules } from './driver/rules/no-rules.js';
import { KeyedLocks } from './driver/state/locks.js';
import { Registry } from './driver/state/registry.js';
import { Removals } from './driver/state/removals.js';
import { StrayFlows } from './driver/state/stray-flows.js';
import { readEphemeralPorts } from './driver/usecases/port-settings.js';
import type { World } from './driver/world.js';
import { libnetwork } from './frontends/libnetwork/front-end.js';
import { createServer } from './frontends/libnetwork/server.js';
import { Firewalld } from './host/firewalld.js';
import { IptablesCommands } from './host/iptables/commands.js';
import { RestoreBackend } from './host/iptables/restore-backend.js';
import { watchRules } from './host/iptables/rule-watch.js';
import { Monitor } from './host/monitor.js';
import { ConntrackNetlink } from './host/netlink/conntrack.js';
import { LinksNetlink } from './host/netlink/links.js';
import { garbageCollector } from './host/process/garbage.js';
import { type Libc, loadLibc } from './host/process/libc.js';
import { loadModule } from './host/process/modules.js';
import { ProcessFiles } from './host/process/processes.js';
import { inheritedSocket, notifyReady } from './host/process/systemd.js';
import { lockState, runtime } from './host/records/state-lock.js';
import { RecordFiles } from './host/records/store-file.js';
import { missingPrograms } from './host/requirements.js';
import { SandboxFiles } from './host/sandbox.js';
import { SysctlFiles } from './host/sysctl.js';
import { createLog } from './log.js';
import type { ProxySupervisor } from './proxy/supervisor.js';

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
  const { world, reading, firewall } = await buildWorld(config, log, choice, processes);
  const concerns = hostConcerns(world);
  opened.add('the connection to the process that holds ports', () => world.hostPorts.detach());
  opened.add('the iptables commands that wait', () => firewall?.commands.close());
  opened.add('what removes links', () => world.removals.idle());
  const findingFirewall = findFirewall(config, firewall, log);
  const recovered = findingFirewall.then(() => recover(world, reading, concerns));
  const recovery = Promise.allSettled([recovered]);
  opened.add('recovery', () => recovery);
  const server = createServer({
    driver: new BridgeDriver(world, recovered),
    log,
    deadlineMs: config.callTimeoutMs,
    collectGarbage: garbageCollector(),
    identifyCaller: (socket) => processes.atOtherEnd(socket),
  });
  opened.add('the socket of the engine', () => server.close());
  // `findFirewall` waits for a process that lists the rules; fastify makes its routes meanwhile.
  await Promise.all([findingFirewall, server.app.ready()]);
  // Before recovery has finished: an engine that starts must not wait for the answer to Plugin.Activate.
  const inherited = inheritedSocket();
  await server.listen(inherited === undefined ? { path: config.socket } : { fd: inherited });
  await tellReady(libc, log);
  log.info({ socket: config.socket }, 'listening');
  const lacking = await missingPrograms(firewall?.commands.variant(4));
  for (const problem of lacking) log.error({}, problem);
  const stalls = watchStalls();
  opened.add('the watch for stalls', () => {
    log.info({ longestStallMs: stalls.longestMs() }, 'the longest time in which nothing else ran');
    stalls.stop();
  });
  const repairs = new SelfRepair(concerns, world, [deadEndpoints(world)]);
  // The host's rules are not as the driver believed, so that a repair is due, monitor or not.
  world.rules.onRefusal(() => repairs.noticed({ kind: 'rules', families: [4, 6] }));
  const rules =
    firewall &&
    watchRules(
      firewall.commands,
      firewall.backend,
      (author, families = [4, 6]) => repairs.noticed({ kind: 'rules', families, author }),
      log,
    );
  const monitor = new Monitor(rules, (name) => repairs.noticed({ kind: 'link', name }), log);
  let closing = false;
  opened.add('self-repair', () => {
    closing = true;
    repairs.stop();
  });
  opened.add('the monitors', () => monitor.stop());
  monitor.start();
  const admin = await startAdmin(config, {
    world,
    repairs,
    concerns,
    recovered,
    facts: () =>
      findFacts({
        ...{ version, config, choice, monitor, lacking, stalls, world },
        iptables: firewall?.commands,
      }),
  });
  opened.add('the socket for operators', () => admin?.close());
  const serving = recovered.then(
    () => {
      log.info({ networks: world.registry.networks().length }, 'recovered');
      if (!closing) repairs.start();
    },
    (error) => {
      log.error({ error }, 'recovery failed; no call that changes state is served');
      throw error;
    },
  );
  return { recovered: serving };
}

/** If systemd cannot be told, that is logged, and the daemon serves its calls all the same. */
async function tellReady(libc: Libc, log: Log): Promise<void> {
  try {
    await notifyReady(libc);
  } catch (error) {
    log.warn({ error }, 'systemd could not be told that calls are served; it may end this process');
  }
}

async function buildWorld(
  config: Config,
  log: Log,
  choice: GenerationChoice,
  processes: ProcessFiles,
): Promise<{
  world: World & { hostPorts: ProxySupervisor };
  reading: HostReading;
  /** undefined: no rules are written. */
  firewall: Iptables | undefined;
}> {
  const sysctls = new SysctlFiles();
  const links = new LinksNetlink();
  const store = await RecordFiles.open(config.stateDir);
  const settings: FirewallSettings = {
    userlandProxy: config.userlandProxy,
    bridgeAcceptFwmark: config.bridgeAcceptFwmark,
  };
  const firewall = config.iptables ? makeIptables(log) : undefined;
  const reading = readHost(store, links, log);
  const program = new URL('./proxy/main.js', import.meta.url);
  const hostPorts = superviseProxy(config, program, processes, log);
  const registry = new Registry();
  const conntrack = new ConntrackNetlink();
  const world = {
    links,
    removals: new Removals(links, log),
    strayFlows: new StrayFlows(hostPorts, conntrack, log),
    sandboxes: new SandboxFiles(),
    processes,
    sysctls,
    loadModule,
    conntrack,
    zones: new Firewalld(log),
    rules: new IptablesFirewall(
      firewall?.backend ?? noRules,
      choice,
      settings,
      registry,
      links,
      log,
    ),
    hostPorts,
    allocator: new PortAllocator(await readEphemeralPorts(sysctls)),
    store,
    registry,
    networkLocks: new KeyedLocks<string>(),
    sandboxLocks: new KeyedLocks<string>(),
    frontEnds: new FrontEnds([libnetwork]),
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
  };
  return { world, reading, firewall };
}

interface Iptables {
  readonly commands: IptablesCommands;
  readonly backend: RestoreBackend;
}

function makeIptables(log: Log): Iptables {
  const commands = new IptablesCommands({}, log);
  return { commands, backend: new RestoreBackend(commands, log) };
}

/** Finds out which iptables the host uses; no rule can be read or written before. */
async function findFirewall(
  config: Config,
  firewall: Iptables | undefined,
  log: Log,
): Promise<void> {
  if (firewall === undefined) return;
  await firewall.commands.choose();
  if (config.ip6tables === false || firewall.commands.supports(6)) return;
  const level = config.ip6tables === true ? 'error' : 'info';
  log[level]({}, 'this host has no working ip6tables: there are no rules for IPv6');
}

function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      // Not `once`: with no listener left, execa's own handler would end the process at once.
      process.on(signal, () => resolve(signal));
    }
  });
}
