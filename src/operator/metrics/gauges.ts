/** Gauges of the daemon's state, which are read at a scrape. */
import { generationNames } from '../../core/generations/generation.js';
import { directions } from '../../core/network/limits.js';
import { isLeased } from '../../driver/state/leased.js';
import { limitsOfEndpoint } from '../../driver/usecases/limits.js';
import { reasons } from '../problems.js';
import { Collectors, type Sample } from './collectors.js';
import { lagBounds } from './lag.js';
import type { Registry } from './library.js';
import { addEndpoints, addNetworks } from './per-object.js';
import { countPorts } from './port-counts.js';
import { addProxy } from './proxy.js';
import { addRules } from './rules.js';
import type { MetricSources } from './sources.js';

/** The kernel's limit for the ports of a bridge (BR_MAX_PORTS, less the one that is never given). */
const bridgePortLimit = 1_023;

export function addGauges(registry: Registry, sources: MetricSources): void {
  const add = new Collectors(registry);
  addDaemon(add, sources);
  addEngine(add, sources);
  addObjects(add, sources);
  addRules(add, sources);
  addProxy(add, sources);
  if (sources.detail.networks) addNetworks(add, sources);
  if (sources.detail.endpoints) addEndpoints(add, sources);
}

function addDaemon(add: Collectors, sources: MetricSources): void {
  const { version } = sources;
  add.gauge(
    'tsbridge_build_info',
    'Always 1; what runs, and which rules it writes.',
    ['version', 'node', 'generation', 'iptables', 'ip6tables'],
    () => {
      const { generation, ...variants } = sources.rules();
      const known = (generationNames as readonly string[]).includes(generation);
      const labels = { version, node: process.version, ...variants };
      return [[{ ...labels, generation: known ? generation : 'other' }, 1]];
    },
  );
  add.gauge('tsbridge_state', '1 for the state that the daemon is in.', ['state'], () =>
    (['recovering', 'serving', 'failed'] as const).map((state) => [
      { state },
      Number(sources.state() === state),
    ]),
  );
  add.gauge(
    'tsbridge_degraded',
    'How many things do not work as they should, by reason; the words are in tsbridge status.',
    ['reason'],
    () => {
      const problems = sources.problems();
      return reasons.map((reason) => [
        { reason },
        problems.filter((problem) => problem.reason === reason).length,
      ]);
    },
  );
  add.one('tsbridge_calls_in_flight', 'Calls of engines that are worked on.', () =>
    sources.callsInFlight(),
  );
  const byConcern =
    (read: () => Readonly<Record<string, number>>, divisor = 1) =>
    (): Sample[] =>
      Object.entries(read()).map(([what, value]) => [{ what }, value / divisor]);
  add.gauge(
    'tsbridge_drift_changes',
    'Changes that the last comparison (tsbridge status) found necessary and no repair has made since.',
    ['what'],
    byConcern(() => sources.drift()),
  );
  add.gauge(
    'tsbridge_repair_pending_seconds',
    'How long the oldest sign of a change has waited for its repair; 0: none waits.',
    ['what'],
    byConcern(() => sources.pending(), 1_000),
  );
  add.one(
    'tsbridge_longest_stall_seconds',
    'The longest time since the start in which the daemon could do nothing else.',
    () => sources.longestStallMs() / 1_000,
  );
  add.histogram(
    'tsbridge_event_loop_lag_seconds',
    'How late the daemon came to its work, by a timer of 20 ms.',
    lagBounds,
    () => sources.loopLag(),
  );
  add.gauge('tsbridge_trace_active', 'Runs of tsbridge trace on this host.', [], async () => {
    const running = await sources.traces();
    return running === undefined ? [] : [[{}, running]];
  });
  add.gauge('tsbridge_names_stale', '1 if names of containers are not up to date.', [], () => {
    const names = sources.names?.();
    return names === undefined ? [] : [[{}, Number(names.stale || names.from === 'none')]];
  });
  add.gauge(
    'tsbridge_names_age_seconds',
    'Time since the names of containers were last known to be right.',
    [],
    () => {
      const asOf = sources.names?.()?.asOf ?? undefined;
      return asOf === undefined ? [] : [[{}, Math.max(0, (Date.now() - Date.parse(asOf)) / 1_000)]];
    },
  );
}

/** Absent if the engine is never asked. */
function addEngine(add: Collectors, { engineQuestions }: MetricSources): void {
  add.gauge('tsbridge_docker_api_up', '1 if the engine answered the last question.', [], () => {
    const answered = engineQuestions()?.lastAnswered;
    return answered === undefined ? [] : [[{}, Number(answered)]];
  });
  add.counter(
    'tsbridge_docker_api_requests_total',
    'Questions to the API of the engine.',
    ['result'],
    () => {
      const questions = engineQuestions();
      if (questions === undefined) return [];
      return [
        [{ result: 'ok' }, questions.answered],
        [{ result: 'error' }, questions.failed],
      ];
    },
  );
}

function addObjects(add: Collectors, { registry }: MetricSources): void {
  const phases = ['creating', 'created', 'ready', 'removing'] as const;
  const byPhase = (states: readonly { readonly record: { readonly phase: string } }[]): Sample[] =>
    phases.map((phase) => [
      { phase },
      states.reduce((sum, { record }) => sum + Number(record.phase === phase), 0),
    ]);
  add.one(
    'tsbridge_test_networks',
    'Networks of connectivity tests that run; they count in tsbridge_networks, too.',
    () => registry.networks().filter(isLeased).length,
  );
  add.gauge('tsbridge_networks', 'Networks, by the phase of their life.', ['phase'], () =>
    byPhase(registry.networks()),
  );
  add.gauge('tsbridge_endpoints', 'Endpoints, by the phase of their life.', ['phase'], () =>
    byPhase(registry.endpoints()),
  );
  add.gauge(
    'tsbridge_limited_endpoints',
    'Endpoints with a limit of traffic: down, what they receive; up, what they send.',
    ['direction'],
    () =>
      directions.map((direction): Sample => {
        const limited = registry.endpoints().filter((state) => limitsOfEndpoint(state)[direction]);
        return [{ direction }, limited.length];
      }),
  );
  add.gauge(
    'tsbridge_published_ports',
    'Published host ports, by what leads to the container: a rule, a rule for a range, a map, or the proxy alone.',
    ['protocol', 'family', 'path', 'by'],
    () => countPorts(registry.endpoints()),
  );
  add.one(
    'tsbridge_publications_pending',
    'Publications of operators (tsbridge publish) whose container runs and whose ports are not open.',
    () => {
      const { publications } = registry;
      return publications.all().filter(({ id }) => publications.trouble(id) !== undefined).length;
    },
  );
  add.one('tsbridge_bridge_ports_max', 'Endpoints of the network that has most of them.', () =>
    registry.networks().reduce((most, { endpoints }) => Math.max(most, endpoints.size), 0),
  );
  add.one(
    'tsbridge_bridge_ports_limit',
    'How many endpoints the kernel allows on one bridge.',
    () => bridgePortLimit,
  );
  add.one(
    'tsbridge_records_unreadable',
    'Records that cannot be read; what they describe is left alone.',
    () => registry.unreadable.all().length,
  );
}
