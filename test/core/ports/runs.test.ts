import fc from 'fast-check';
import t from 'tap';
import { generations } from '../../../src/core/generations/all.js';
import { portRuleKinds } from '../../../src/core/network/network.js';
import type { OpenPort, PortBinding, PortMatch } from '../../../src/core/ports/port.js';
import { joinBindings, joinOpened, type PublishedRun } from '../../../src/core/ports/runs.js';
import { RuleHost } from '../../fakes/rule-host.js';
import { listing, makeBinding, makeEndpoint, makeNetwork } from '../../golden/golden.js';
import { GoldenFile } from '../../golden/golden-file.js';

const span = (match: PortMatch): readonly [number, number] =>
  typeof match === 'number' ? [match, match] : [match.first, match.last];

const show = ({ protocol, hostIp, hostPort, containerPort }: PublishedRun): string =>
  `${hostIp} ${span(hostPort).join('-')} ${span(containerPort).join('-')} ${protocol}`;

const bindings: readonly PortBinding[] = [
  makeBinding('0.0.0.0:8002', '10.6.0.2:8002'),
  makeBinding('[::]:8002', '[fd00:6::2]:8002'),
  makeBinding('0.0.0.0:8001', '10.6.0.2:8001'),
  makeBinding('[::]:8001', '[fd00:6::2]:8001'),
  makeBinding('0.0.0.0:8001', '10.6.0.2:8001', 'udp'),
  makeBinding('0.0.0.0:8003', '10.6.0.2:8003'),
  makeBinding('0.0.0.0:8005', '10.6.0.2:8005'),
  makeBinding('127.0.0.1:8006', '10.6.0.2:8006'),
  makeBinding('127.0.0.1:8007', '10.6.0.2:8007'),
  makeBinding('0.0.0.0:9000', '10.6.0.2:80'),
  makeBinding('0.0.0.0:9001', '10.6.0.2:81'),
  makeBinding('0.0.0.0:9002', '10.6.0.2:84'),
  makeBinding('0.0.0.0:5060', '10.6.0.2:5060', 'sctp'),
  makeBinding('0.0.0.0:5061', '10.6.0.2:5061', 'sctp'),
];

t.test('runs of equal numbers, in the order in which they begin', async (t) => {
  t.equal(joinBindings(bindings, 'docker'), bindings, 'off: as they are');
  const apart = ['0.0.0.0 9002-9002 84-84 tcp', '0.0.0.0 5060-5060 5060-5060 sctp'];
  const sctp = '0.0.0.0 5061-5061 5061-5061 sctp';
  const same = [
    '0.0.0.0 8001-8003 8001-8003 tcp',
    ':: 8001-8002 8001-8002 tcp',
    '0.0.0.0 8001-8001 8001-8001 udp',
    '0.0.0.0 8005-8005 8005-8005 tcp',
    '127.0.0.1 8006-8007 8006-8007 tcp',
  ];
  const single = ['0.0.0.0 9000-9000 80-80 tcp', '0.0.0.0 9001-9001 81-81 tcp'];
  t.same(joinBindings(bindings, 'compact').map(show), [...same, ...single, ...apart, sctp]);
  t.same(joinBindings(bindings, 'compact-shifted').map(show), [
    ...same,
    '0.0.0.0 9000-9001 80-81 tcp',
    ...apart,
    sctp,
  ]);
});

t.test('consecutive ports of mode routed share a rule', async (t) => {
  const opened: readonly OpenPort[] = bindings.filter(({ hostIp }) => hostIp !== '127.0.0.1');
  const shown = joinOpened(opened, 'compact').map(
    ({ protocol, containerIp, containerPort }) =>
      `${containerIp} ${span(containerPort).join('-')} ${protocol}`,
  );
  t.same(shown, [
    '10.6.0.2 8001-8003 tcp',
    'fd00:6::2 8001-8002 tcp',
    '10.6.0.2 8001-8001 udp',
    '10.6.0.2 8005-8005 tcp',
    '10.6.0.2 80-81 tcp',
    '10.6.0.2 84-84 tcp',
    '10.6.0.2 5060-5060 sctp',
    '10.6.0.2 5061-5061 sctp',
  ]);
  t.equal(joinOpened(opened, 'docker'), opened);
});

t.test('no port is lost or added, and nothing is left to join', async () => {
  const port = fc.integer({ min: 1, max: 40 });
  const published = fc
    .uniqueArray(
      fc.record({
        host: fc.constantFrom('0.0.0.0', '127.0.0.1'),
        port,
        shift: fc.constantFrom(0, 0, 7, 8),
        protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const),
      }),
      { selector: (each) => `${each.host} ${each.port} ${each.protocol}`, maxLength: 60 },
    )
    .map((list) =>
      list.map((each) =>
        makeBinding(
          `${each.host}:${each.port}`,
          `10.6.0.2:${each.port + each.shift}`,
          each.protocol,
        ),
      ),
    );
  fc.assert(
    fc.property(published, fc.constantFrom(...portRuleKinds), (given, kind) => {
      const runs = joinBindings(given, kind);
      const apart = runs.flatMap((run) => {
        const [first, last] = span(run.hostPort);
        const [container, end] = span(run.containerPort);
        if (end - container !== last - first) throw new Error(`lengths differ: ${show(run)}`);
        if (kind === 'compact' && last > first && first !== container) throw new Error(show(run));
        return Array.from({ length: last - first + 1 }, (_, index) => [
          run.protocol,
          run.hostIp,
          first + index,
          container + index,
        ]).map(String);
      });
      const wanted = given.map((b) => String([b.protocol, b.hostIp, b.hostPort, b.containerPort]));
      if (String(apart.sort()) !== String(wanted.sort())) throw new Error('other ports');
      const again = runs.filter((run) => {
        const [first] = span(run.hostPort);
        const [container] = span(run.containerPort);
        const joins = kind === 'compact-shifted' || (kind === 'compact' && first === container);
        return (
          joins &&
          run.protocol !== 'sctp' &&
          runs.some(
            (other) =>
              other.protocol === run.protocol &&
              other.hostIp === run.hostIp &&
              span(other.hostPort)[1] + 1 === first &&
              span(other.containerPort)[1] + 1 === container,
          )
        );
      });
      if (again.length > 0) throw new Error(`could be joined: ${again.map(show)}`);
    }),
    { seed: 5, numRuns: 500 },
  );
});

t.test('a run of ports has one rule in each chain of each generation', async (t) => {
  const golden = new GoldenFile('compact');
  const gateway = 'com.docker.network.bridge.gateway_mode_ipv';
  const network = (kind: string, mode: string) =>
    makeNetwork(
      'br-x',
      '10.6.0.0/24',
      '10.6.0.1',
      { 'tsbridge.port_rules': kind, [`${gateway}4`]: mode, [`${gateway}6`]: mode },
      { ipv6: { subnet: 'fd00:6::/64', gateway: 'fd00:6::1/64' } },
    );
  for (const generation of Object.values(generations)) {
    for (const family of [4, 6] as const) {
      for (const proxy of [true, false]) {
        for (const kind of ['compact', 'compact-shifted']) {
          const host = new RuleHost(generation, family, { userlandProxy: proxy });
          const spec = network(kind, 'nat');
          host.addNetwork(spec);
          const before = listing(host.found);
          const own = bindings.filter(({ protocol }) => protocol !== 'sctp');
          const args = [spec, makeEndpoint(spec, '10.6.0.2/24', 'fd00:6::2/64'), own] as const;
          host.addContainer(...args);
          const added = (host.commits.at(-1) ?? []).map((change) =>
            'rule' in change
              ? `${change.op} ${change.rule.table} ${change.rule.chain} ${change.rule.text}`
              : change.op,
          );
          const title = `${generation.name} IPv${family} proxy ${proxy ? 'on' : 'off'} ${kind}`;
          t.same(added, golden.expected(title, added), title);
          host.removeContainer(...args);
          t.same(listing(host.found), before, `${title}: nothing is left`);
        }
      }
    }
    if (generation.routedPortRules === undefined) continue;
    const opened = joinOpened(bindings, 'compact');
    const lines = opened
      .flatMap((ports) => generation.routedPortRules?.(network('compact', 'routed'), ports) ?? [])
      .map(({ rule }) => rule.text);
    const title = `${generation.name} routed`;
    t.same(lines, golden.expected(title, lines), title);
  }
  t.same(golden.finish(), [], 'no section that nothing needs');
});

t.test('60,000 consecutive ports are three rules', async (t) => {
  const spec = makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', { 'tsbridge.port_rules': 'compact' });
  const many = Array.from({ length: 60_000 }, (_, index) =>
    makeBinding(`0.0.0.0:${1024 + index}`, `10.6.0.2:${1024 + index}`),
  );
  const rules = joinBindings(many, spec.portRules).flatMap((ports) =>
    generations.docker20.portRules(spec, ports, { userlandProxy: true }),
  );
  t.same(
    rules.map(({ rule }) => `${rule.table} ${rule.chain} ${rule.text}`),
    [
      'nat DOCKER ! -i br-x -p tcp -m tcp --dport 1024:61023 -j DNAT --to-destination 10.6.0.2',
      'filter DOCKER -d 10.6.0.2/32 ! -i br-x -o br-x -p tcp -m tcp --dport 1024:61023 -j ACCEPT',
      'nat POSTROUTING -s 10.6.0.2/32 -d 10.6.0.2/32 -p tcp -m tcp --dport 1024:61023 -j MASQUERADE',
    ],
  );
});
