/**
 * Metrics of rules: how many there should be, what they dropped, and tracked connections that were deleted with them.
 */
import type { Collectors } from './collectors.js';
import type { MetricSources } from './sources.js';

/** Rules up to which the counters are read: that takes 5 µs for each rule in the chains. */
const mostCountedRules = 5_000;

export function addRules(
  add: Collectors,
  sources: Pick<MetricSources, 'desiredRules' | 'droppedPackets' | 'conntrackDeletions'>,
): void {
  let filters = 0;
  add.gauge(
    'tsbridge_rules_wanted',
    'Rules of iptables that should be there for networks of tsbridge, by address family and table.',
    ['family', 'table'],
    async () => {
      const counts = await sources.desiredRules();
      filters = counts
        .filter(({ table }) => table !== 'nat')
        .reduce((sum, { count }) => sum + count, 0);
      return counts.map(({ count, ...labels }) => [labels, count]);
    },
  );
  let dropped: Awaited<ReturnType<MetricSources['droppedPackets']>>;
  add.gauge(
    'tsbridge_dropped_packets_known',
    `1 if the counters of rules are read: by netlink, and up to ${mostCountedRules} rules.`,
    [],
    async () => {
      dropped = filters > mostCountedRules ? undefined : await sources.droppedPackets();
      return [[{}, Number(dropped !== undefined)]];
    },
  );
  add.counter(
    'tsbridge_dropped_packets_total',
    'Packets that rules of networks of tsbridge have dropped, by what they were dropped for.',
    ['reason'],
    () => [...(dropped ?? [])].map(([reason, packets]) => [{ reason }, packets]),
  );
  add.counter(
    'tsbridge_conntrack_deletions_total',
    'Deletions of tracked connections: single flows, or filters, of which the kernel does not say how many they removed.',
    ['by', 'why'],
    () =>
      Object.entries(sources.conntrackDeletions()).flatMap(([why, { flows, filters }]) => [
        [{ by: 'flow', why }, flows],
        [{ by: 'filter', why }, filters],
      ]),
  );
}
