/** All metrics of the daemon, as Prometheus reads them (text format 0.0.4). */
import type { Happening, Telemetry } from '../../driver/telemetry.js';
import { Yielding } from '../../yielding.js';
import { CountedMetrics } from './counted.js';
import { addGauges } from './gauges.js';
import { addStandardMetrics, Registry } from './library.js';
import type { MetricSources } from './sources.js';

/** A metric as docs/metrics.md lists it. */
export interface MetricEntry {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

export class Metrics implements Telemetry {
  readonly #registry = new Registry();
  readonly #counted = new CountedMetrics(this.#registry);
  /** The answer that is being made; those who ask meanwhile share it. */
  #reading: Promise<string> | undefined;

  constructor(sources: MetricSources) {
    addGauges(this.#registry, sources);
    addStandardMetrics(this.#registry);
  }

  tell(happening: Happening): void {
    this.#counted.tell(happening);
  }

  text(): Promise<string> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  /** All metrics in the order of the answer. */
  entries(): readonly MetricEntry[] {
    return this.#registry.getMetricsAsArray().map((metric) => {
      const { name, type, labelNames, help } = metric as unknown as {
        readonly name: string;
        readonly type: string;
        readonly labelNames: readonly string[];
        readonly help: string;
      };
      return { name, type, labels: [...labelNames], help };
    });
  }

  /** Reads one metric after the other, so that calls of engines are served in between. */
  async #read(): Promise<string> {
    const yielding = new Yielding(undefined, 2);
    const parts: string[] = [];
    for (const metric of this.#registry.getMetricsAsArray()) {
      parts.push(await this.#registry.getMetricsAsString(metric as never));
      await yielding.pause();
    }
    return `${parts.join('\n\n')}\n`;
  }
}
