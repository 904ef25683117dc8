/** What Prometheus is given: names, labels that nobody else chooses, and how much of it. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { errorCodes } from '../../../src/core/errors.js';
import type { InterfaceName } from '../../../src/core/names.js';
import { dropReasons } from '../../../src/core/rules/drop-reason.js';
import { eventKinds, type Happening } from '../../../src/driver/telemetry.js';
import { routes } from '../../../src/frontends/libnetwork/routes.js';
import { lagBounds } from '../../../src/operator/metrics/lag.js';
import { Metrics } from '../../../src/operator/metrics/metrics.js';
import type { MetricSources } from '../../../src/operator/metrics/sources.js';
import { namesOf, noNamesDocument } from '../../../src/operator/names/names.js';
import { makeHost } from '../../fakes/fake-host.js';
import { filledRegistry } from '../../fakes/filled-registry.js';
import * as one from '../../fakes/one-container.js';

const repository = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const concerns = ['rules', 'links', 'limits', 'settings', 'zones', 'ports'];
const byConcern = (value: number) => Object.fromEntries(concerns.map((what) => [what, value]));

const proxy = {
  ...{ listeners: 3, connections: 2, openFiles: 17 },
  traffic: {
    ...{ udpFlows: 1, accepted: 9, refused: 1, toContainers: 700, toClients: 800 },
    residentBytes: 40_000_000,
  },
};

function sources(
  registry: MetricSources['registry'],
  changes: Partial<MetricSources> = {},
): MetricSources {
  return {
    version: '0.1.0',
    registry,
    state: () => 'serving',
    problems: () => [{ reason: 'monitor-missing', text: 'nft monitor does not run' }],
    rules: () => ({ generation: 'docker28', iptables: 'nft', ip6tables: 'off' }),
    callsInFlight: () => 4,
    pending: () => byConcern(1_500),
    drift: () => byConcern(2),
    longestStallMs: () => 12,
    proxy: async () => proxy,
    proxyRestarts: () => 1,
    names: () => namesOf({ ...noNamesDocument, from: 'docker', asOf: '2026-11-21T01:00:00.000Z' }),
    engineQuestions: () => ({ answered: 5, failed: 1, lastAnswered: true }),
    desiredRules: async () => [
      { family: 4, table: 'nat', count: 9_000 },
      { family: 4, table: 'filter', count: 30 },
    ],
    droppedPackets: async () => new Map(dropReasons.map((reason, index) => [reason, index])),
    conntrackDeletions: () => ({
      port: { flows: 7, filters: 2 },
      rules: { flows: 0, filters: 0 },
      container: { flows: 3, filters: 0 },
    }),
    traces: async () => 1,
    loopLag: () => ({ upTo: lagBounds.map((_, at) => at + 1), count: 13, sum: 0.5 }),
    links: async () => new Map(),
    detail: { networks: false, endpoints: false },
    ...changes,
  };
}

const emptyWorld = () => makeHost().boot().world;

/** `name{labels}` → value. */
async function samples(metrics: Metrics): Promise<Map<string, number>> {
  const text = await metrics.text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

/** Everything that can be told at once: every method, code, kind and program. */
function* everything(): Generator<Happening> {
  const methods = [...routes.map(({ method }) => method), 'other'];
  for (const [index, method] of methods.entries()) {
    for (const code of ['ok', ...errorCodes.slice(index % 5, (index % 5) + 3)] as const) {
      yield { kind: 'call', method, code, durationMs: 3 };
    }
  }
  for (const family of [4, 6] as const) {
    for (const backend of ['restore', 'netlink']) {
      for (const ok of [true, false]) {
        yield { kind: 'commit', family, backend, ok, changes: 5, durationMs: 2 };
      }
    }
    for (let index = 0; index < 500; index += 1) {
      yield { kind: 'foreign-change', program: `evil"\n${index}`, families: [family] };
    }
    for (const program of ['nft', 'dockerd', undefined]) {
      yield { kind: 'foreign-change', program, families: [family] };
    }
  }
  yield { kind: 'foreign-change', program: 'nft', families: [] };
  for (const what of concerns) {
    for (const programs of [['nft'], ['unknown'], ['nft', 'evil'], ['iptables']]) {
      yield { kind: 'repair', what, by: 'x', programs, count: 7, first: [], durationMs: 130 };
    }
    yield { kind: 'repair-failed', what };
    yield { kind: 'drift', what, count: 1, first: [] };
  }
  for (const of of ['rules', 'links'] as const) yield { kind: 'reports-lost', of };
  yield { kind: 'wait', for: 'network', durationMs: 9 };
  for (const ok of [true, false]) yield { kind: 'record-written', ok };
  const ids = one.ids();
  const { networkId: network, endpointId: endpoint } = ids;
  for (const kind of ['published', 'released'] as const) {
    yield { kind, by: 'docker', network, endpoint, count: 1, first: [] };
  }
  for (const kind of ['degraded', 'recovered'] as const) yield { kind, reason: 'x', text: 'y' };
  yield { kind: 'names', state: 'stale', text: 'dockerd is down' };
  yield { kind: 'collected', count: 1, first: ['network evil'] };
  yield { kind: 'operator', action: 'forget', text: 'network 1' };
}

t.test('what happens is counted under words of this code', async (t) => {
  const metrics = new Metrics(sources(emptyWorld().registry));
  for (const happening of everything()) metrics.tell(happening);
  const found = await samples(metrics);
  t.equal(found.get('tsbridge_calls_total{method="NetworkDriver.Join",code="ok"}'), 1);
  t.equal(found.get('tsbridge_call_duration_seconds_bucket{le="0.005",method="other"}'), 4);
  t.equal(found.get('tsbridge_commits_total{family="4",backend="netlink",result="error"}'), 1);
  t.equal(found.get('tsbridge_foreign_changes_total{program="other",family="4"}'), 500);
  t.equal(found.get('tsbridge_foreign_changes_total{program="nft",family="none"}'), 1);
  t.equal(found.get('tsbridge_repairs_total{what="rules",program="nft"}'), 1);
  t.equal(found.get('tsbridge_repairs_total{what="rules",program="other"}'), 1);
  t.equal(found.get('tsbridge_repair_changes_total{what="rules"}'), 28);
  t.equal(found.get('tsbridge_repair_pending_seconds{what="links"}'), 1.5);
  t.equal(found.get('tsbridge_degraded{reason="monitor-missing"}'), 1);
  t.equal(found.get('tsbridge_proxy_bytes_total{direction="to-clients"}'), 800);
  t.equal(found.get('tsbridge_proxy_open_fds'), 17);
  t.equal(found.get('tsbridge_reports_lost_total{of="links"}'), 1);
  t.equal(found.get('tsbridge_docker_api_up'), 1);
  t.equal(found.get('tsbridge_docker_api_requests_total{result="error"}'), 1);
  t.equal(found.get('tsbridge_names_stale'), 0);
  t.ok((found.get('tsbridge_names_age_seconds') ?? -1) > 0);
  t.equal(found.get('tsbridge_rules_wanted{family="4",table="nat"}'), 9_000);
  t.equal(found.get('tsbridge_dropped_packets_known'), 1);
  t.equal(found.get('tsbridge_dropped_packets_total{reason="isolation"}'), 1);
  t.equal(found.get('tsbridge_conntrack_deletions_total{by="filter",why="port"}'), 2);
  t.equal(found.get('tsbridge_conntrack_deletions_total{by="flow",why="container"}'), 3);
  t.equal(found.get('tsbridge_event_loop_lag_seconds_bucket{le="0.005"}'), 3);
  t.equal(found.get('tsbridge_event_loop_lag_seconds_bucket{le="+Inf"}'), 13);
  t.equal(found.get('tsbridge_event_loop_lag_seconds_sum'), 0.5);
  t.equal(found.get('tsbridge_event_loop_lag_seconds_count'), 13);
  t.equal(found.get('tsbridge_trace_active'), 1);
  t.equal(found.get('tsbridge_publications_pending'), 0);
  t.notMatch([...found.keys()].join('\n'), /evil/);
  for (const kind of eventKinds) {
    t.ok((found.get(`tsbridge_events_total{kind="${kind}"}`) ?? 0) > 0, kind);
  }
});

t.test(
  'a thousand containers make less than 750 series, and their ports are counted',
  async (t) => {
    const host = makeHost();
    const { driver, world } = await one.start(host);
    await driver.createNetwork(one.network());
    const published = one.endpoint(2);
    await driver.createEndpoint(published);
    await driver.join(one.ids(), '/run/docker/netns/x', undefined, one.publish([6, 80, 8_080]));
    await driver.publishPorts(
      one.ids(),
      one.publish([6, 80, 8_080], [17, 53, 53, 53, '127.0.0.1']),
    );
    const [state] = world.registry.endpoints();
    if (state === undefined) throw new Error('no endpoint');
    const endpoints = Array.from({ length: 1_000 }, () => state);
    const many = { ...world.registry, networks: () => world.registry.networks() };
    const registry: MetricSources['registry'] = {
      ...many,
      endpoints: () => endpoints,
      unreadable: world.registry.unreadable,
      publications: world.registry.publications,
    };
    const metrics = new Metrics(sources(registry));
    for (const happening of everything()) metrics.tell(happening);
    const found = await samples(metrics);
    t.ok(found.size < 750, `${found.size} series`);
    t.equal(found.get('tsbridge_endpoints{phase="ready"}'), 1_000);
    const ports = 'tsbridge_published_ports';
    t.equal(found.get(`${ports}{protocol="tcp",family="4",path="rule",by="docker"}`), 1_000);
    t.equal(found.get(`${ports}{protocol="udp",family="4",path="proxy",by="docker"}`), 1_000);
  },
);

t.test('a proxy that does not answer, or does not say all', async (t) => {
  const { registry } = emptyWorld();
  const silent = await samples(new Metrics(sources(registry, { proxy: async () => undefined })));
  t.equal(silent.get('tsbridge_proxy_up'), 0);
  t.equal(silent.has('tsbridge_proxy_listeners'), false);
  const { traffic: _, ...old } = proxy;
  const metrics = new Metrics(sources(registry, { proxy: async () => old }));
  const found = await samples(metrics);
  t.equal(found.get('tsbridge_proxy_listeners'), 3);
  t.notMatch([...found.keys()].join(), /proxy_bytes/);
  const [first, second] = await Promise.all([metrics.text(), metrics.text()]);
  t.equal(first, second, 'those who ask at the same time share an answer');
});

t.test('counters of rules are not read where there are too many, or none can be', async (t) => {
  const { registry } = emptyWorld();
  let read = 0;
  const many = new Metrics(
    sources(registry, {
      desiredRules: async () => [{ family: 4, table: 'filter', count: 5_001 }],
      droppedPackets: async () => {
        read += 1;
        return new Map();
      },
    }),
  );
  const found = await samples(many);
  t.equal(found.get('tsbridge_dropped_packets_known'), 0);
  t.equal(read, 0);
  const legacy = await samples(
    new Metrics(sources(registry, { droppedPackets: async () => undefined })),
  );
  t.equal(legacy.get('tsbridge_dropped_packets_known'), 0);
  t.notMatch([...legacy.keys()].join(), /dropped_packets_total/, 'no number is not zero');
});

t.test('publications that are not open', async (t) => {
  const { registry } = emptyWorld();
  const publication = { id: 'a' } as Parameters<typeof registry.publications.add>[0];
  registry.publications.add(publication);
  registry.publications.setTrouble(publication.id, 'port 80 is taken');
  const found = await samples(new Metrics(sources(registry)));
  t.equal(found.get('tsbridge_publications_pending'), 1);
});

t.test(
  'series for networks and endpoints only if asked for, and not more than so many',
  async (t) => {
    const detail = { networks: true, endpoints: true };
    const registry = filledRegistry(1_100, 2);
    const [first] = registry.networks();
    if (first === undefined) throw new Error('no network');
    for (let index = 2; index <= 205; index += 1) {
      const id = index.toString(16).padStart(64, '0') as typeof first.spec.id;
      const spec = { ...first.spec, id, bridge: `br-${index}` as InterfaceName };
      registry.addNetwork(spec, first.record);
    }
    const link = { receivedBytes: 1, receivedPackets: 2, receivedDrops: 3 };
    const sent = { sentBytes: 40, sentPackets: 50, sentDrops: 60 };
    const links = new Map(
      registry.endpoints().map(({ spec }) => [`${spec.veth.host}`, { ...link, ...sent }]),
    );
    links.delete('veth1');
    const [endpoint] = registry.endpoints();
    const names = namesOf({
      ...noNamesDocument,
      containers: [{ id: 'c', name: 'web"\n1', running: true, endpoints: [endpoint?.spec.id] }],
      networks: [{ id: first.spec.id, name: 'app' }],
    } as never);
    const all = await samples(
      new Metrics(sources(registry, { detail, links: async () => links, names: () => names })),
    );
    const of = (beginning: string) => [...all.keys()].filter((key) => key.startsWith(beginning));
    t.equal(of('tsbridge_network_endpoints').length, 201);
    t.equal(all.get('tsbridge_network_endpoints{network="app",bridge="br-1"}'), 1_100);
    t.equal(all.get('tsbridge_network_published_ports{network="app",bridge="br-1"}'), 2_200);
    t.equal(all.get('tsbridge_network_endpoints{network="other",bridge="other"}'), 0);
    t.equal(of('tsbridge_endpoint_receive_bytes_total').length, 999, 'one has no interface');
    const labels = '{network="app",container="web\\"\\n1",interface="veth0"}';
    for (const [name, value] of Object.entries({
      ...{ receive_bytes: 40, receive_packets: 50, receive_drops: 60 },
      ...{ transmit_bytes: 1, transmit_packets: 2, transmit_drops: 3 },
    })) {
      t.equal(all.get(`tsbridge_endpoint_${name}_total${labels}`), value, name);
    }
    t.equal(all.get('tsbridge_names_stale'), 1, 'nobody has told them');
    const few = await samples(new Metrics(sources(registry)));
    t.notMatch([...few.keys()].join(), /tsbridge_(network|endpoint)_/);
  },
);

t.test('docs/metrics.md lists every metric, with its labels', async (t) => {
  const detail = { networks: true, endpoints: true };
  const rows = new Metrics(sources(emptyWorld().registry, { detail }))
    .entries()
    .map(({ name, type, labels, help }) => {
      return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |\n`;
    });
  const table = `| metric | type | labels | what it is |\n|---|---|---|---|\n${rows.join('')}`;
  const text = readFileSync(join(repository, 'docs/metrics.md'), 'utf8');
  const [, documented = ''] = /<!-- metrics[^>]*-->\n(.*?)<!-- \/metrics -->/s.exec(text) ?? [];
  t.equal(documented, table);
});
