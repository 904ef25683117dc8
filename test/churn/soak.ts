/** Churn with faults, while clients keep connections open and count. */
import fc from 'fast-check';
import { ADDRESSES, type Lab } from '../lab/lab.js';
import { type ChurnCounts, type ChurnOptions, churn, emptyCounts } from './churn.js';
import { type HostFault, hostFaults, type Struck } from './faults.js';
import { type Figures, measure } from './figures.js';
import { leftAfter, patienceMs } from './quiet.js';
import { removeSteady, SteadyClient, type SteadyCounts, startSteady } from './steady.js';

export interface SoakOptions extends Omit<ChurnOptions, 'draw' | 'onQuiet'> {
  /** Instead of all of {@link hostFaults}. */
  readonly faults?: readonly HostFault[];
  readonly tsbridgeArgs?: readonly string[];
  /** It is not over before there were so many. */
  readonly leastFaults?: number;
}

/** What faults of one kind cost: connections by DNAT, and those through the proxy process. */
export interface FaultCosts {
  times: number;
  dnatBroken: number;
  proxyBroken: number;
  datagramsLost: number;
  /** Of answers on connections by DNAT that did not break. */
  longestWaitMs: number;
}

export interface SoakSummary {
  readonly churn: ChurnCounts;
  /** `nothing`: between faults. */
  readonly faults: Readonly<Record<string, FaultCosts>>;
  readonly dnat: SteadyCounts;
  readonly proxy: SteadyCounts;
  /** Whenever all networks but that of the clients were gone, oldest first. */
  readonly figures: readonly Figures[];
  /** What has grown, in words. */
  readonly grown: readonly string[];
  /** Why it ended before its time. */
  readonly failure: string | undefined;
  readonly left: readonly string[];
}

/** Of a burst in this many, one gets a fault. */
const burstsPerFault = 2;

export async function soak(lab: Lab, options: SoakOptions): Promise<SoakSummary> {
  const { tsbridgeArgs = [], leastFaults = 0, say = () => {} } = options;
  let struckTimes = 0;
  const struck: Struck = { lab, daemon: await lab.spawnTsbridge(tsbridgeArgs), tsbridgeArgs };
  const before = await lab.snapshot();
  await startSteady(lab, options.portRules);
  const dnat = await SteadyClient.start(lab, 'lan', ADDRESSES.host, {
    datagramsPerSecond: 100,
  });
  const proxy = await SteadyClient.start(lab, 'host', '127.0.0.1');
  const costs = new Costs(dnat, proxy);
  const figures: Figures[] = [];
  const draw = drawFaults(options.faults ?? hostFaults, options.seed);
  let failure: string | undefined;
  const progress = emptyCounts();
  await churn(
    lab,
    {
      ...options,
      isOver: () => struckTimes >= leastFaults && options.isOver(),
      draw: () => {
        const fault = draw();
        if (fault === undefined) return undefined;
        struckTimes += 1;
        const strike = async (): Promise<void> => {
          await costs.note('nothing');
          await fault.strike(struck);
        };
        return { ...fault, patienceMs: fault.disturbs ? 2 * patienceMs : patienceMs, strike };
      },
      onQuiet: (fault) => costs.note(fault?.name ?? 'nothing'),
    },
    async () => {
      const now = await measure(lab, struck.daemon);
      figures.push(now);
      say(JSON.stringify(now));
    },
    progress,
  ).catch((error) => {
    failure = String(error);
  });
  const held = { dnat: await dnat.end(), proxy: await proxy.end() };
  await removeSteady(lab);
  return {
    churn: progress,
    failure,
    faults: costs.byFault,
    ...held,
    figures,
    grown: whatHasGrown(figures),
    left: (await leftAfter(lab, before)).filter((line) => !ofKilledEngine.test(line)),
  };
}

/** The same ones in the same order for the same seed. */
function drawFaults(faults: readonly HostFault[], seed: number): () => HostFault | undefined {
  const pool = faults.flatMap((fault) => Array.from({ length: fault.weight }, () => fault));
  const all = fc.shuffledSubarray(pool, { minLength: pool.length });
  let rest: HostFault[] = [];
  let drawn = 0;
  let asked = 0;
  return () => {
    asked += 1;
    if (asked % burstsPerFault !== 0) return undefined;
    if (rest.length === 0) {
      rest = fc.sample(all, { seed: seed + drawn, numRuns: 1 })[0] ?? [];
      drawn += 1;
    }
    return rest.pop();
  };
}

class Costs {
  readonly byFault: Record<string, FaultCosts> = {};
  #last: { dnat: SteadyCounts; proxy: SteadyCounts } | undefined;

  constructor(
    private readonly dnat: SteadyClient,
    private readonly proxy: SteadyClient,
  ) {}

  /** What has broken since the last time goes on this account. */
  async note(name: string): Promise<void> {
    const [dnat, proxy] = await Promise.all([this.dnat.counts(), this.proxy.counts()]);
    const entry = this.byFault[name] ?? {
      ...{ times: 0, dnatBroken: 0, proxyBroken: 0, datagramsLost: 0, longestWaitMs: 0 },
    };
    this.byFault[name] = entry;
    const { dnat: before, proxy: proxyBefore } = this.#last ?? { dnat, proxy };
    this.#last = { dnat, proxy };
    entry.times += 1;
    entry.dnatBroken += dnat.broken - before.broken;
    entry.proxyBroken += proxy.broken - proxyBefore.broken;
    entry.datagramsLost += underway(dnat) - underway(before);
    entry.longestWaitMs = Math.max(entry.longestWaitMs, dnat.longestWaitMs);
  }
}

const underway = ({ udpSent, udpAnswered }: SteadyCounts): number => udpSent - udpAnswered;

/** Memory may settle, in MiB; flows end by themselves. */
const mayGrow: Readonly<Partial<Record<keyof Figures, number>>> = {
  daemonRss: 60,
  proxyRss: 40,
  daemonFds: 8,
  // A client whose connection broke in a flush may come back through the proxy: two for each.
  proxyFds: 24,
  // Commands that are started ahead of their use.
  processes: 3,
};

/** Docker 28 loses helpers of containers that were being made when it was killed. */
const ofKilledEngine = /^\+ processes: containerd-shim/;

/**
 * The last look is held against the ones before and after the first round: a daemon that has served calls has started
 * commands ahead, with the descriptors that lead to them; and an engine that starts again writes rules that a flush has
 * taken away.
 */
export function whatHasGrown(figures: readonly Figures[]): string[] {
  const [first, second = first] = figures.slice(0, -1);
  const last = figures.at(-1);
  if (first === undefined || second === undefined || last === undefined) {
    return ['nothing was measured'];
  }
  const early = (name: keyof Figures) => Math.max(first[name], second[name]);
  const names = Object.keys(first) as (keyof Figures)[];
  return names
    .filter((name) => name !== 'flows' && last[name] > early(name) + (mayGrow[name] ?? 0))
    .map((name) => `${name}: ${early(name)} early, ${last[name]} at the end`);
}
