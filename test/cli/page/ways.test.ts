/** Which ports of a page share a way, and which have none. */
import t from 'tap';
import { groupsOfWays, withWays } from '../../../src/cli/page/ways.js';
import type { PagePort } from '../../../src/operator/page/facts.js';
import { facts } from '../../operator/page/sample.js';

t.test('ports of one container that are reached in the same manner have one way', async (t) => {
  const [port] = facts.ports;
  if (port === undefined) throw new Error('the sample has a port');
  const ports: PagePort[] = [
    port,
    { ...port, label: '0.0.0.0:8081/tcp', destination: ':8081/tcp' },
    { ...port, label: '0.0.0.0:8082/udp', destination: ':8082/udp' },
    { ...port, container: 1 },
    { ...port, label: '0.0.0.0:8083/tcp', reach: 'host' },
    { ...port, label: '[::]:8080/tcp', address: '::', family: 6, path: 'proxy' },
    { ...port, label: '0.0.0.0:8084/tcp', destination: ':8084/tcp' },
  ];
  t.strictSame(
    groupsOfWays(ports),
    [[4], [0, 1, 6], [2], [3], [5]],
    'those that are not reached come first',
  );
});

t.test('ways that would take too long, and those that are not found, are counted', async (t) => {
  const [port] = facts.ports;
  if (port === undefined) throw new Error('the sample has a port');
  const ports = [0, 1, 2, 3].map((container) => ({ ...port, container }));
  const terminal = { environment: {}, out: () => undefined, err: () => undefined };
  const of = async (ms: number) => {
    let now = 0;
    const clock = () => {
      now += ms;
      return now;
    };
    return (await withWays(ports, ['--from=/nowhere/bundle'], terminal, clock)).warnings;
  };
  const notFound = (ports: number) => `ways to ${ports} ports were not found: tsbridge explain: `;
  t.match(await of(1), [new RegExp(`^${notFound(4)}.*/nowhere/bundle`)]);
  t.match(await of(12_000), [/^ways to 2 ports are left out: .* takes too long$/, notFound(2)]);
});
