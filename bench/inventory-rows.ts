/**
 * What questions of operators cost the daemon with 1,000 endpoints and 10,000 ports, and what the engine's list of 1,000
 * containers does: how long the answer takes, and how long the event loop is held up at most meanwhile. Needs no
 * root and no host.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inventoryRoutes } from '../src/admin/routes/inventory.js';
import { metricsRoute } from '../src/admin/routes/metrics.js';
import { namesRoute } from '../src/admin/routes/names.js';
import { createAdminServer } from '../src/admin/server.js';
import type { NetworkSpec } from '../src/core/network/network.js';
import { DesiredRules } from '../src/driver/rules/desired-rules.js';
import { GenerationChoice } from '../src/driver/rules/generation-choice.js';
import { countRules } from '../src/driver/rules/rule-counts.js';
import { DockerEngine } from '../src/host/docker/docker-engine.js';
import { noLag } from '../src/operator/metrics/lag.js';
import { Metrics } from '../src/operator/metrics/metrics.js';
import { type Names, namesOf, readNamesDocument } from '../src/operator/names/names.js';
import { DockerApi } from '../test/fakes/docker-api.js';
import { filledRegistry } from '../test/fakes/filled-registry.js';
import { RecordingLog } from '../test/fakes/recording-log.js';
import { type Figure, figure } from './figure.js';
import { median } from './measure.js';

const questions = [
  ['inventory of 10,000 ports', '/v1/inventory'],
  ['names of 1,000 containers', '/v1/names'],
  ['scrape', '/metrics'],
] as const;
const detailed = 'scrape, with series for each endpoint';
const list = "the engine's list of 1,000 containers";

export const inventoryRows: readonly string[] = [
  ...questions.map(([what]) => what),
  ...[detailed, list],
].flatMap((what) => [`${what}: answer`, `${what}: longest piece`]);

export async function measureInventory(rounds: number): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-inventory-'));
  const subnet = { family: 4, address: '172.20.0.0', prefixLength: 16 };
  const registry = filledRegistry(1_000, 10, {
    ...{ icc: true, masquerade: true, allowDirectRouting: false, portRules: 'docker' },
    trustedHostInterfaces: [],
    ipv4: { family: 4, subnet, gatewayMode: 'nat' } as unknown as NonNullable<NetworkSpec['ipv4']>,
  });
  const document = namesDocument();
  const metrics = metricsOf(registry, namesOf(document));
  const log = new RecordingLog();
  const server = createAdminServer(
    [inventoryRoutes(registry), namesRoute(() => document), metricsRoute(() => metrics.text())],
    log,
  );
  const api = await DockerApi.start();
  const body = Buffer.from(JSON.stringify(listOfEngine()));
  api.on('/containers/json', (response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(body);
  });
  const engine = new DockerEngine(api.path);
  const socketPath = join(folder, 'admin.sock');
  try {
    await server.app.listen({ path: socketPath });
    const figures: Figure[] = [];
    for (const [what, path] of questions) {
      figures.push(...(await measure(what, rounds, () => get(socketPath, path))));
    }
    const whole = metricsOf(registry, namesOf(document), { networks: true, endpoints: true });
    figures.push(...(await measure(detailed, rounds, async () => void (await whole.text()))));
    const read = async (): Promise<void> => {
      const { length } = await engine.containers();
      if (length !== 1_000) throw new Error(`${length} containers`);
    };
    figures.push(...(await measure(list, rounds, read)));
    return figures;
  } finally {
    engine.close();
    await api.close();
    await server.close();
    rmSync(folder, { recursive: true });
  }
}

async function measure(what: string, rounds: number, ask: () => Promise<void>): Promise<Figure[]> {
  const answers: number[] = [];
  const pieces: number[] = [];
  // The first three rounds are not counted: Node.js compiles the code, which a daemon that runs has behind it.
  for (let round = -3; round < rounds; round += 1) {
    const { tookMs, longestMs } = await watch(ask);
    if (round < 0) continue;
    answers.push(tookMs);
    pieces.push(longestMs);
  }
  const note = `1,000 endpoints; ${rounds} rounds`;
  const worst = `${note}; at most ${Math.max(...pieces).toFixed(1)} ms`;
  return [
    figure({ row: `${what}: answer`, unit: 'ms', tsbridge: median(answers), note }),
    figure({ row: `${what}: longest piece`, unit: 'ms', tsbridge: median(pieces), note: worst }),
  ];
}

/**
 * Turns of the event loop follow each other as fast as they can: what the thread does between two is a piece of
 * work. Its processor time is taken, so that other programs of the machine do not count.
 */
async function watch(ask: () => Promise<void>): Promise<{ tookMs: number; longestMs: number }> {
  let longestMs = 0;
  const busyMs = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1_000;
  };
  let last = busyMs();
  let going = true;
  const turn = (): void => {
    const now = busyMs();
    longestMs = Math.max(longestMs, now - last);
    last = now;
    if (going) setImmediate(turn);
  };
  setImmediate(turn);
  const began = performance.now();
  await ask();
  going = false;
  return { tookMs: performance.now() - began, longestMs };
}

function get(socketPath: string, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${path}: ${response.statusCode}`));
      response.resume().on('end', resolve).on('error', reject);
    })
      .on('error', reject)
      .end();
  });
}

const idOf = (number: number): string => number.toString(16).padStart(64, '0');

function namesDocument() {
  return readNamesDocument({
    ...{ from: 'docker', asOf: '2026-11-27T00:00:00.000Z', stale: false },
    containers: Array.from({ length: 1_000 }, (_, index) => {
      const compose = { project: 'shop', service: `service-${index}` };
      const endpoints = [idOf(100 + index)];
      return {
        id: idOf(index),
        name: `shop-service-${index}-1`,
        compose,
        running: true,
        endpoints,
      };
    }),
    networks: [{ id: idOf(1), name: 'shop' }],
  });
}

function metricsOf(
  registry: ReturnType<typeof filledRegistry>,
  names: Names,
  detail = { networks: false, endpoints: false },
): Metrics {
  const settings = { userlandProxy: true, bridgeAcceptFwmark: undefined };
  const choice = new GenerationChoice('docker28', false);
  const desired = new DesiredRules(choice, settings, registry);
  const link = {
    ...{ receivedBytes: 1, receivedPackets: 1, receivedDrops: 0 },
    ...{ sentBytes: 1, sentPackets: 1, sentDrops: 0 },
  };
  const links = new Map(
    registry.endpoints().map(({ spec }): [string, typeof link] => [spec.veth.host, link]),
  );
  return new Metrics({
    version: '0',
    registry,
    state: () => 'serving',
    problems: () => [],
    rules: () => ({ generation: 'docker28', iptables: 'nft', ip6tables: 'off' }),
    callsInFlight: () => 0,
    pending: () => ({}),
    drift: () => ({}),
    longestStallMs: () => 0,
    proxy: async () => undefined,
    engineQuestions: () => undefined,
    proxyRestarts: () => 0,
    names: () => names,
    async desiredRules() {
      const counts = await countRules(desired, 4);
      return [...counts].map(([table, count]) => ({ family: 4, table, count }));
    },
    droppedPackets: async () => undefined,
    conntrackDeletions: () => ({}),
    traces: async () => 0,
    loopLag: () => noLag,
    links: async () => links,
    detail,
  });
}

/** Containers in the form in which Docker 28 lists those of Compose: 1.8 kB of JSON each. */
function listOfEngine(): unknown[] {
  return Array.from({ length: 1_000 }, (_, index) => ({
    Id: idOf(index),
    Names: [`/shop-service-${index}-1`],
    Image: 'registry.example.com/shop/service:1.2.3',
    ImageID: `sha256:${idOf(index)}`,
    Command: '/docker-entrypoint.sh nginx -g "daemon off;"',
    Created: 1_795_000_000 + index,
    Ports: [{ IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8_000 + index, Type: 'tcp' }],
    Labels: {
      'com.docker.compose.project': 'shop',
      'com.docker.compose.service': `service-${index}`,
      'com.docker.compose.config-hash': idOf(index),
      'com.docker.compose.project.working_dir': '/srv/shop',
      'org.opencontainers.image.description': 'x'.repeat(400),
    },
    State: 'running',
    Status: 'Up 3 hours',
    HostConfig: { NetworkMode: 'shop_default' },
    NetworkSettings: {
      Networks: {
        shop_default: {
          ...{ IPAMConfig: {}, Links: null, Aliases: null, MacAddress: '02:42:ac:14:00:02' },
          ...{ NetworkID: idOf(1), EndpointID: idOf(100 + index), Gateway: '172.20.0.1' },
          ...{ IPAddress: '172.20.0.2', IPPrefixLen: 16, IPv6Gateway: '', DNSNames: null },
        },
      },
    },
    Mounts: [{ Type: 'volume', Name: idOf(index), Source: '', Destination: '/data', RW: true }],
  }));
}
