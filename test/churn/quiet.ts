/** A quiet point: nothing is under way. What the host, the engine, the model and the plan say then. */
import { setTimeout as sleep } from 'node:timers/promises';
import { unmovedMs } from '../../src/driver/orphans/dead-endpoints.js';
import type { Registry } from '../../src/driver/state/registry.js';
import { UnixHttp } from '../lab/http.js';
import { ADDRESSES, type Lab } from '../lab/lab.js';
import { type CommandError, NODE } from '../lab/process.js';
import type { Snapshot } from '../lab/snapshot.js';
import { isInternal, type Model } from './model.js';
import { containerName, networkName, operatorPort, publications, tcpPort } from './operations.js';
import {
  type Comparison,
  compareLinks,
  compareMap,
  compareNeighbours,
  compareRules,
  compareSockets,
  type PlanSettings,
  readIntent,
  staleFlows,
} from './plan.js';

interface DaemonStatus extends PlanSettings {
  readonly state: string;
  readonly degraded: readonly string[];
}

interface InspectedNetwork {
  readonly Id: string;
  readonly Name: string;
  readonly Driver: string;
  readonly Containers: Record<string, { Name: string; EndpointID: string }>;
}

/**
 * Milliseconds within which everything has to be as it should: the longest time that the driver takes for anything (until
 * it finds an endpoint that an engine left behind when it died), and half a minute for work under load.
 */
export const patienceMs = unmovedMs + 30_000;

/**
 * Everything that is not as it should be, once it has stopped changing for the better; empty: the
 * host equals the plan, the plan equals the engine's view, and that equals the model.
 */
export async function deviations(lab: Lab, model: Model, waitMs = patienceMs): Promise<string[]> {
  const end = performance.now() + waitMs;
  for (;;) {
    const found = await look(lab, model).catch((error) => [`looking failed: ${error}`]);
    if (found.length === 0 || performance.now() > end) return found;
    await sleep(200);
  }
}

async function look(lab: Lab, model: Model): Promise<string[]> {
  const admin = new UnixHttp(lab.path('/run/tsbridge/admin.sock'));
  try {
    const status = await admin.call<DaemonStatus>('GET', '/status');
    const registry = readIntent(lab);
    const networks = await inspectNetworks(lab);
    const planned = await admin.call<Record<string, unknown>>('POST', '/reconcile', {
      dryRun: true,
    });
    const repairs = Object.entries(planned).flatMap(([concern, lines]) =>
      Array.isArray(lines) && concern !== 'forgotten' ? (lines as string[]) : [],
    );
    return [
      ...status.degraded.map((line) => `degraded: ${line}`),
      ...repairs.map((line) => `reconcile --dry-run: ${line}`),
      ...compareModel(model, networks),
      ...differ('records', compareRecords(registry, networks)),
      ...differ('links', await compareLinks(lab, registry)),
      ...differ('neighbours', await compareNeighbours(lab, registry)),
      ...differ('rules', await compareRules(lab, registry, status)),
      ...differ('map', await compareMap(lab, registry)),
      ...differ('sockets', await compareSockets(lab, registry)),
      ...(await closed(lab, model)),
      ...(await staleFlows(lab, registry)).map((flow) => `flow of nobody: ${flow}`),
      ...(await unanswered(lab, model)),
    ];
  } finally {
    admin.close();
  }
}

/**
 * What a churn has left. The engine's rules for its own network come back when it starts; and with
 * the first network that has IPv6 FORWARD gets the policy DROP and keeps it, as with the engine's own. What a
 * flush took out of DOCKER-USER is put back by nobody, since the chain is the administrator's.
 */
export async function leftAfter(lab: Lab, before: Snapshot): Promise<string[]> {
  const left = await lab.leftovers(before, 30_000);
  const expected = [/docker0/, / rules6: :FORWARD /, /^- rules[46]: -A DOCKER-USER -j RETURN$/];
  return left.filter((line) => !expected.some((each) => each.test(line)));
}

/**
 * Takes away what is on record and the engine has forgotten, as an operator would. Networks: one of the two died over their
 * creation or removal. Endpoints: the daemon died over DeleteEndpoint, which the engine repeats without its body, and
 * Docker 28 takes the refusal for the end of it. Answers with how many there were.
 */
export async function reclaimForgotten(lab: Lab): Promise<number> {
  const known = await inspectNetworks(lab);
  const networks = new Set(known.map(({ Id }) => Id));
  const endpoints = new Set(
    known.flatMap(({ Containers }) =>
      Object.values(Containers).map(({ EndpointID }) => EndpointID),
    ),
  );
  const registry = readIntent(lab);
  const forgotten = registry
    .networks()
    .filter((state) => !networks.has(state.spec.id) && state.endpoints.size === 0);
  const left = registry.endpoints().filter(({ spec }) => !endpoints.has(spec.id)).length;
  const admin = new UnixHttp(lab.path('/run/tsbridge/admin.sock'));
  try {
    for (const { spec } of forgotten) {
      await admin.call('POST', '/forget', { network: spec.id, dryRun: false });
    }
    if (left > 0) await admin.call('POST', '/v1/gc', { dryRun: false });
  } finally {
    admin.close();
  }
  return forgotten.length + left;
}

async function inspectNetworks(lab: Lab): Promise<InspectedNetwork[]> {
  const listed = await lab.api<InspectedNetwork[]>('GET', '/networks');
  const ours = listed.filter(({ Driver }) => Driver === 'tsbridge');
  return Promise.all(ours.map(({ Id }) => lab.api<InspectedNetwork>('GET', `/networks/${Id}`)));
}

function compareModel(model: Model, networks: readonly InspectedNetwork[]): string[] {
  const inChurn = networks.filter(({ Name }) => Name.startsWith('churn-'));
  const found = inChurn.flatMap(({ Name, Containers }) => [
    Name,
    ...Object.values(Containers).map((container) => `${container.Name} on ${Name}`),
  ]);
  const wanted = [
    ...[...model.networks].map(networkName),
    ...model.containers.flatMap(({ state, networks: on }, index) =>
      state === 'running'
        ? [...on].map((network) => `${containerName(index)} on ${networkName(network)}`)
        : [],
    ),
  ];
  return differ('engine', { wanted, found });
}

function compareRecords(registry: Registry, networks: readonly InspectedNetwork[]): Comparison {
  return {
    wanted: networks.flatMap(({ Id, Containers }) => [
      `network ${Id} ready`,
      ...Object.values(Containers).map(({ EndpointID }) => `endpoint ${EndpointID} ready`),
    ]),
    found: [
      ...registry.networks().map(({ spec, record }) => `network ${spec.id} ${record.phase}`),
      ...registry.endpoints().map(({ spec, record }) => `endpoint ${spec.id} ${record.phase}`),
    ],
  };
}

function differ(what: string, { wanted, found }: Comparison): string[] {
  const rest = [...found];
  const missing = wanted.filter((line) => {
    const at = rest.indexOf(line);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
  return [
    ...missing.map((line) => `${what}: missing ${line}`),
    ...rest.map((line) => `${what}: left over ${line}`),
  ];
}

/** What an operator has published of running containers, and is not open; and what nobody has published. */
async function closed(lab: Lab, model: Model): Promise<string[]> {
  const known = await publications(lab);
  const wanted = model.containers.flatMap(({ state, networks, published }, index) => {
    if (published === undefined) return [];
    const open = state === 'running' && networks.has(published);
    return [`${containerName(index)} ${open ? 'open' : 'waiting'}`];
  });
  const found = [...known.values()].map(({ container, state }) => `${container} ${state}`);
  return differ('publications', { wanted, found });
}

/** Published ports of running containers that do not answer on the host's address. */
async function unanswered(lab: Lab, model: Model): Promise<string[]> {
  const questions = model.containers.flatMap(({ state, networks, published: operated }, index) => {
    const published = tcpPort(index) !== 0 && [...networks].some((each) => !isInternal(each));
    // An operator's port waits while its container is not on the network that it was published on. And on several
    // networks the answers may go by another one.
    const isOpen = operated !== undefined && networks.size === 1 && networks.has(operated);
    const more = isOpen ? [operatorPort(index)] : [];
    const ports = [...(published ? [tcpPort(index)] : []), ...more];
    return state === 'running' ? ports.map((port) => `${port}=${containerName(index)}`) : [];
  });
  if (questions.length === 0) return [];
  const command = [...NODE, '/opt/tsbridge/test/churn/ask-all.mjs', ADDRESSES.host, ...questions];
  return lab.exec(command, 'lan').then(
    () => [],
    (error: CommandError) => error.stdout.split('\n').filter((line) => line !== ''),
  );
}
