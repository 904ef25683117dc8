/** What is used of `@prometheus-io/client`; see client.d.ts for why it is not imported whole. */
import Counter from '@prometheus-io/client/lib/counter.js';
import Gauge from '@prometheus-io/client/lib/gauge.js';
import Histogram from '@prometheus-io/client/lib/histogram.js';
import heap from '@prometheus-io/client/lib/metrics/heapSizeAndUsed.js';
import memory from '@prometheus-io/client/lib/metrics/osMemoryHeap.js';
import mostDescriptors from '@prometheus-io/client/lib/metrics/processMaxFileDescriptors.js';
import openDescriptors from '@prometheus-io/client/lib/metrics/processOpenFileDescriptors.js';
import startTime from '@prometheus-io/client/lib/metrics/processStartTime.js';
import Registry from '@prometheus-io/client/lib/registry.js';

export { Counter, Gauge, Histogram, Registry };

/** A group of metrics that every Node.js program has under the same names. */
export type StandardMetrics = (registry: Registry) => void;

/**
 * Adds `process_*` and `nodejs_*`, as common dashboards expect them, but for those of the event loop: these are
 * percentiles, from which nothing can be calculated over time or over several daemons.
 */
export function addStandardMetrics(registry: Registry): void {
  const groups = [startTime, openDescriptors, mostDescriptors, memory, heap];
  for (const add of groups) add(registry);
  // The library's own one needs OpenTelemetry.
  const cpu = new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time of the daemon, user and system, in seconds.',
    registers: [registry],
    collect() {
      const { user, system } = process.cpuUsage();
      cpu.reset();
      cpu.inc((user + system) / 1e6);
    },
  });
}
