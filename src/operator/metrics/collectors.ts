/** Gauges and counters whose samples are read when somebody asks. */
import { Counter, Gauge, type Registry } from './library.js';

export type Labels = Readonly<Record<string, string | number>>;
export type Sample = readonly [labels: Labels, value: number];
export type ReadSamples = () => Iterable<Sample> | Promise<Iterable<Sample>>;

/** Metrics whose samples are read at each scrape, one metric after the other in the order in which they were added. */
export class Collectors {
  constructor(private readonly registry: Registry) {}

  gauge(name: string, help: string, labelNames: string[], read: ReadSamples): void {
    const made: Gauge<string> = new Gauge({
      ...{ name, help, labelNames, registers: [this.registry] },
      async collect() {
        const samples = await read();
        made.reset();
        if (labelNames.length === 0) made.remove();
        for (const [labels, value] of samples) made.set(labels, value);
      },
    });
  }

  /** A gauge without labels. */
  one(name: string, help: string, read: () => number): void {
    this.gauge(name, help, [], () => [[{}, read()]]);
  }

  /** A counter of totals that another part of the daemon keeps. */
  counter(name: string, help: string, labelNames: string[], read: ReadSamples): void {
    const made: Counter<string> = new Counter({
      ...{ name, help, labelNames, registers: [this.registry] },
      async collect() {
        const samples = await read();
        made.reset();
        for (const [labels, value] of samples) made.inc(labels, value);
      },
    });
  }

  /**
   * A histogram without labels, whose totals another part of the daemon keeps. It is not the library's Histogram, which
   * can only count values one by one; the registry takes any object with these fields.
   *
   * @param bounds upper bounds of the buckets, ascending, without that of the last bucket (infinity)
   */
  histogram(
    name: string,
    help: string,
    bounds: readonly number[],
    read: () => { readonly upTo: readonly number[]; readonly count: number; readonly sum: number },
  ): void {
    const head = { name, help, type: 'histogram', labelNames: [] as string[], aggregator: 'sum' };
    const get = async () => {
      const { upTo, count, sum } = read();
      const bucket = (le: number | string, value: number) => ({
        ...{ metricName: `${name}_bucket`, labels: { le }, value },
      });
      const values = [
        ...bounds.map((bound, at) => bucket(bound, upTo[at] ?? 0)),
        bucket('+Inf', count),
        { metricName: `${name}_sum`, labels: {}, value: sum },
        { metricName: `${name}_count`, labels: {}, value: count },
      ];
      return { ...head, values };
    };
    this.registry.registerMetric({ ...head, get, reset: () => undefined } as never);
  }
}
