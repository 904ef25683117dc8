/** Measures the wanted rows that need no engine, in a fixed order. */
import { BareHost, type BareSettings } from './bare-host.js';
import type { BareRow } from './bare-names.js';
import type { Figure } from './figure.js';

export async function measureBare(
  settings: BareSettings,
  wanted: (row: string) => boolean,
): Promise<Figure[]> {
  const bare = new BareHost(settings);
  const any = (...rows: readonly BareRow[]) => rows.some(wanted);
  try {
    await bare.start();
    await bare.idle();
    // The first calls also read Python and iptables from the disk and compile our code, so they are not measured.
    await bare.warmUp();
    if (any('listener: two changes a second beside 10,000 foreign rules')) await bare.listener();
    const thousand = [
      'publish 1000 ports: handler',
      'revoke 1000 ports: handler',
      'memory, 1000 ports, no engine',
    ] as const;
    if (any(...thousand, 'longest stall: 1000 ports')) {
      await bare.thousand();
      await bare.restart('longest stall: 1000 ports');
    }
    const one = any('publish one port, idle: p50', 'publish one port, idle: p99');
    await bare.ports(
      one,
      any(
        'container with 1000 ports: set up, beside netavark',
        'container with 1000 ports: tear down, beside netavark',
      ),
    );
    if (any('flat: last network beside the first', 'longest stall: networks')) {
      await bare.networks();
      await bare.restart('longest stall: networks');
    }
    const half = any('adoption: start to serving', 'repair after iptables -F');
    const rest = any(
      'flat: last endpoint beside the first',
      'flat: last port beside the first',
      "flat: last port beside the kernel's floor",
    );
    if (half || rest || any('longest stall: endpoints and ports')) {
      const first = await bare.endpoints(0, settings.size / 2);
      if (half || any('longest stall: adoption and repair')) await bare.adoption();
      if (rest)
        bare.compareEndpoints(first, await bare.endpoints(settings.size / 2, settings.size));
    }
    const made = rest
      ? settings.size
      : half || any('longest stall: endpoints and ports')
        ? settings.size / 2
        : 0;
    if (any('flat: last port in a map beside the first')) await bare.mapped(made);
    return bare.figures.filter(({ row }) => wanted(row));
  } finally {
    await bare.stop();
  }
}
