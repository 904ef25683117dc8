/** Metrics of the process that holds published ports. It is asked once for each answer to a scrape. */
import type { Collectors } from './collectors.js';
import type { MetricSources, ProxyNumbers } from './sources.js';

/** Numbers of the process that holds published ports. */
export function addProxy(
  add: Collectors,
  sources: Pick<MetricSources, 'proxy' | 'proxyRestarts'>,
): void {
  let last: ProxyNumbers | undefined;
  // `tsbridge_proxy_up` asks the process; the metrics below it, which are read later, show the same answer.
  add.gauge(
    'tsbridge_proxy_up',
    '1 if the process that holds published ports answers.',
    [],
    async () => {
      last = await sources.proxy();
      return [[{}, Number(last !== undefined)]];
    },
  );
  const known = (name: string, help: string, read: (proxy: ProxyNumbers) => number | undefined) =>
    add.gauge(name, help, [], () => {
      const value = last === undefined ? undefined : read(last);
      return value === undefined ? [] : [[{}, value]];
    });
  known('tsbridge_proxy_listeners', 'Sockets for published ports.', ({ listeners }) => listeners);
  known(
    'tsbridge_proxy_connections',
    'Connections that the process carries.',
    ({ connections }) => connections,
  );
  known(
    'tsbridge_proxy_udp_flows',
    'UDP flows that it carries.',
    ({ traffic }) => traffic?.udpFlows,
  );
  known(
    'tsbridge_proxy_resident_memory_bytes',
    'Resident memory of the process.',
    ({ traffic }) => traffic?.residentBytes,
  );
  known(
    'tsbridge_proxy_open_fds',
    'File descriptors that the process has open; absent before Linux 6.2.',
    ({ openFiles }) => openFiles,
  );
  add.counter(
    'tsbridge_proxy_connections_total',
    'Connections that the process took, and those that it reset, as it could begin none to the container.',
    ['result'],
    () =>
      last?.traffic === undefined
        ? []
        : [
            [{ result: 'accepted' }, last.traffic.accepted],
            [{ result: 'refused' }, last.traffic.refused],
          ],
  );
  add.counter(
    'tsbridge_proxy_bytes_total',
    'Bytes of TCP that the process carried.',
    ['direction'],
    () =>
      last?.traffic === undefined
        ? []
        : [
            [{ direction: 'to-containers' }, last.traffic.toContainers],
            [{ direction: 'to-clients' }, last.traffic.toClients],
          ],
  );
  add.counter(
    'tsbridge_proxy_restarts_total',
    'Times when the process was lost and another took its place.',
    [],
    () => [[{}, sources.proxyRestarts()]],
  );
}
