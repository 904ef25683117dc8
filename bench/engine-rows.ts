/** Rows that are measured on a real engine, as its client sees them; the drivers take turns. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../test/lab/lab.js';
import type { Tsbridge } from '../test/lab/tsbridge.js';
import {
  createContainer,
  createNetwork,
  type Driver,
  onNetwork,
  removeContainer,
  removeNetwork,
  startContainer,
} from './engine-calls.js';
import { type Figure, figure } from './figure.js';
import { callsIn } from './handler-times.js';
import { median, timed } from './measure.js';
import { type Memory, memoryFigure, memoryOf } from './memory.js';

export interface EngineHost {
  readonly lab: Lab;
  readonly daemon: Tsbridge;
  /** Of the engine's rules; what some rows must reach depends on it. */
  readonly generation: string;
}

/** One thing that is done, and the rows that come of it. */
export interface EngineRun {
  readonly rows: readonly string[];
  /** With each driver, after one that does not count; without `warmUp`, all count. */
  rounds(rounds: number, driver: Driver): number;
  readonly warmUp: boolean;
  /** A time for each row, and leaves nothing. */
  run(host: EngineHost, driver: Driver): Promise<readonly number[]>;
  /** What only tsbridge can say, after all rounds; `more` are its rows. */
  after?(): Figure[];
  readonly more?: readonly string[];
}

const networks: EngineRun = {
  rows: ['network create', 'network rm'],
  rounds: (rounds) => rounds,
  warmUp: true,
  async run({ lab }, driver) {
    const name = `bench-${driver}`;
    const created = await timed(() => createNetwork(lab, driver, name));
    return [created, await timed(() => removeNetwork(lab, name))];
  },
};

const connections: EngineRun = {
  rows: ['network connect', 'network disconnect'],
  rounds: (rounds) => rounds,
  warmUp: true,
  run: ({ lab }, driver) =>
    onNetwork(lab, driver, async (network) => {
      const Container = await createContainer(lab, network, 0);
      await startContainer(lab, Container);
      try {
        return await onNetwork(lab, driver, async (second) => {
          const change = (verb: string) =>
            timed(() => lab.api('POST', `/networks/${second}/${verb}`, { Container }));
          return [await change('connect'), await change('disconnect')];
        });
      } finally {
        await removeContainer(lab, Container);
      }
    }),
};

/** Start and removal of a container, from the client's side and from inside of our handlers. */
export function containers(ports: number, slowRounds: number): EngineRun {
  const [start, remove] = [`start, ${ports} ports`, `remove, ${ports} ports`];
  const held = `memory, ${ports} ports`;
  const inside: Record<'start' | 'remove', number[]> = { start: [], remove: [] };
  const memory: Memory[] = [];
  const slow = ports >= 1_000;
  return {
    rows: [start, remove],
    more: [`${start}: in our handlers`, `${remove}: in our handlers`, ...(slow ? [held] : [])],
    // The built-in driver takes minutes for a thousand ports.
    rounds: (rounds, driver) =>
      slow && driver === 'bridge' ? slowRounds : ports >= 100 ? Math.min(rounds, 5) : rounds,
    warmUp: !slow,
    run: ({ lab, daemon }, driver) =>
      onNetwork(lab, driver, async (network) => {
        const name = await createContainer(lab, network, ports);
        const handled = async (what: 'start' | 'remove', work: () => Promise<unknown>) => {
          const { lines } = daemon.process;
          const before = lines.length;
          const time = await timed(work);
          await sleep(50); // the log line of the last call
          const spent = callsIn(lines.slice(before)).reduce(
            (sum, call) => sum + call.durationMs,
            0,
          );
          if (driver === 'tsbridge') inside[what].push(spent);
          return time;
        };
        const started = await handled('start', () => startContainer(lab, name));
        if (driver === 'tsbridge' && slow) memory.push(memoryOf(await daemon.pid()));
        return [started, await handled('remove', () => removeContainer(lab, name))];
      }),
    after: () => [
      inHandlers(start, inside.start),
      inHandlers(remove, inside.remove),
      ...memory.slice(-1).map((last) => memoryFigure(held, last)),
    ],
  };
}

const inHandlers = (row: string, times: readonly number[]): Figure =>
  figure({ row: `${row}: in our handlers`, unit: 'ms', tsbridge: median(times) });

/** Until the last one is up. */
function crowd(count: number): EngineRun {
  return {
    rows: [`${count} containers at once`],
    rounds: () => 2,
    warmUp: false,
    run: ({ lab }, driver) =>
      onNetwork(lab, driver, async (network) => {
        const names: string[] = [];
        for (let index = 0; index < count; index += 1) {
          names.push(await createContainer(lab, network, 4, 20_000 + 4 * index));
        }
        const time = await timed(() => Promise.all(names.map((name) => startContainer(lab, name))));
        await Promise.all(names.map((name) => removeContainer(lab, name)));
        return [time];
      }),
  };
}

export function engineRuns(ports: readonly number[], slowRounds: number): EngineRun[] {
  return [networks, connections, ...ports.map((count) => containers(count, slowRounds)), crowd(64)];
}

/** All that `run` can give. */
export function rowsOf({ rows, more = [] }: EngineRun): string[] {
  return [...rows, ...more];
}

/** Between turns; a link on its way out is gone after some 30. */
const restMs = 300;

/** The drivers take turns within a round, so that drift of the machine hits both. */
export async function compare(host: EngineHost, run: EngineRun, rounds: number): Promise<Figure[]> {
  const times: Record<Driver, (readonly number[])[]> = { bridge: [], tsbridge: [] };
  const wanted = { bridge: run.rounds(rounds, 'bridge'), tsbridge: run.rounds(rounds, 'tsbridge') };
  const first = run.warmUp ? 0 : 1;
  for (let round = first; round <= Math.max(wanted.bridge, wanted.tsbridge); round += 1) {
    const drivers: readonly Driver[] = ['bridge', 'tsbridge'];
    for (const driver of round % 2 === 0 ? drivers : drivers.toReversed()) {
      if (round > wanted[driver]) continue;
      // What the turn before has left to the kernel must not cost this one.
      await sleep(restMs);
      const time = await run.run(host, driver);
      // The first call of each kind loads modules and fills caches.
      if (round > 0) times[driver].push(time);
    }
  }
  const figures = run.rows.map((row, index) => {
    const of = (driver: Driver) =>
      median(times[driver].map((values) => values[index] ?? Number.NaN));
    const [builtIn, tsbridge] = [of('bridge'), of('tsbridge')];
    return figure({ row, unit: 'ms', builtIn, tsbridge }, host.generation);
  });
  return [...figures, ...(run.after?.() ?? [])];
}
