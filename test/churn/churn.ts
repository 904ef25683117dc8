/** Random operations on a real engine, many at once, against a model; fast-check draws them. */
import fc from 'fast-check';
import type { Lab } from '../lab/lab.js';
import { Model, type Operation, type Sizes, type Wish } from './model.js';
import { adopt, type PortRules, perform } from './operations.js';
import { deviations, reclaimForgotten } from './quiet.js';

export interface ChurnOptions extends Sizes {
  readonly seed: number;
  /** Whether no other burst begins. */
  readonly isOver: () => boolean;
  /** How published ports of tsbridge's networks are written; `both` if absent. */
  readonly portRules?: PortRules;
  readonly say?: (line: string) => void;
  /** What happens to the host while the next burst is at work, if anything. */
  readonly draw?: () => Fault | undefined;
  /** Told when all is well after a burst. */
  readonly onQuiet?: (fault: Fault | undefined) => Promise<void>;
}

export interface Fault {
  readonly name: string;
  /** Operations may fail because of it; what the engine says then becomes the model. */
  readonly disturbs: boolean;
  /**
   * The engine starts anew. No network comes or goes beside that: Docker 20.10 never starts again if
   * it is killed while it makes one (reservePools: "index out of range [0] with length 0").
   */
  readonly ofEngine: boolean;
  /** How long it may take until all is well again. */
  readonly patienceMs: number;
  readonly strike: () => Promise<void>;
}

export interface ChurnCounts {
  bursts: number;
  quietPoints: number;
  /** By kind. */
  readonly operations: Record<string, number>;
  /** Refused by the engine, by kind: only while a fault disturbs it. */
  readonly refused: Record<string, number>;
  /** Networks that the engine forgot when one of the two died. */
  forgotten: number;
  /** At once, at most. */
  largestBurst: number;
  mostRunning: number;
}

export const emptyCounts = (): ChurnCounts => ({
  bursts: 0,
  quietPoints: 0,
  operations: {},
  refused: {},
  forgotten: 0,
  largestBurst: 0,
  mostRunning: 0,
});

/** Deviations at a quiet point, or operations that failed. */
export class ChurnError extends Error {
  override readonly name = 'ChurnError';
}

interface Real {
  readonly lab: Lab;
  readonly options: ChurnOptions;
  readonly counts: ChurnCounts;
}

/** That so much time has passed. */
export function after(minutes: number): () => boolean {
  const end = performance.now() + minutes * 60_000;
  return () => performance.now() > end;
}

/** Commands of one round; rounds follow each other until the time is over. */
const commandsInRound = 100;

/** A burst: operations that are asked for at the same time, and the quiet point after them. */
class Burst implements fc.AsyncCommand<Model, Real> {
  constructor(
    private readonly wishes: readonly Wish[],
    private readonly toggled: readonly number[],
  ) {}

  check(model: Readonly<Model>): boolean {
    return this.wishes.length + this.toggled.length > 0 && model.sizes.containers > 0;
  }

  async run(model: Model, real: Real): Promise<void> {
    if (real.options.isOver()) return;
    const fault = real.options.draw?.();
    const operations = model.plan(this.wishes, fault?.ofEngine ? [] : this.toggled);
    if (operations.length === 0 && fault === undefined) return;
    const { counts, lab } = real;
    const started = performance.now();
    const work = performAll(model, real, operations);
    await fault?.strike();
    const failures = await work;
    if (fault?.disturbs)
      await adopt(
        lab,
        model,
        failures.map(({ operation }) => operation),
      );
    else {
      refuse(failures.filter(({ operation }) => !model.mayFail(operation)));
      if (failures.length > 0)
        await adopt(
          lab,
          model,
          failures.map(({ operation }) => operation),
        );
    }
    if (fault?.ofEngine) model.inherit();
    const took = Math.round(performance.now() - started);
    counts.bursts += 1;
    await expectQuiet(model, real, fault);
    await real.options.onQuiet?.(fault);
    const running = model.containers.filter(({ state }) => state === 'running').length;
    counts.largestBurst = Math.max(counts.largestBurst, operations.length);
    counts.mostRunning = Math.max(counts.mostRunning, running);
    const note = fault === undefined ? '' : `, ${fault.name}`;
    real.options.say?.(
      `burst ${counts.bursts}: ${operations.length} operations in ${took} ms${note}; ` +
        `${running} running on ${model.networks.size} networks`,
    );
  }

  toString(): string {
    return `Burst(${this.wishes.length} containers, ${this.toggled.length} networks)`;
  }
}

interface Failure {
  readonly operation: Operation;
  readonly error: unknown;
}

function refuse(failures: readonly Failure[]): void {
  if (failures.length === 0) return;
  throw new ChurnError(
    failures.map(({ operation, error }) => `${JSON.stringify(operation)}: ${error}`).join('\n'),
  );
}

/** All at once; gives what the engine refused. */
async function performAll(
  model: Model,
  { lab, options, counts }: Real,
  operations: readonly Operation[],
): Promise<Failure[]> {
  const failures: Failure[] = [];
  await Promise.all(
    operations.map(async (operation) => {
      counts.operations[operation.kind] = (counts.operations[operation.kind] ?? 0) + 1;
      try {
        await perform(lab, operation, options.portRules);
        model.apply(operation);
      } catch (error) {
        counts.refused[operation.kind] = (counts.refused[operation.kind] ?? 0) + 1;
        failures.push({ operation, error });
      }
    }),
  );
  return failures;
}

async function expectQuiet(model: Model, { lab, counts }: Real, fault?: Fault): Promise<void> {
  let found = await deviations(lab, model, fault?.patienceMs);
  const isForgotten = (line: string) => /^(records: left over |links: left over veth)/.test(line);
  if (fault?.disturbs && found.length > 0 && found.every(isForgotten)) {
    counts.forgotten += await reclaimForgotten(lab);
    found = await deviations(lab, model);
  }
  if (found.length > 0) throw new ChurnError(found.join('\n'));
  counts.quietPoints += 1;
}

/** Everything that the churn has made goes, as fast as it can. */
export async function removeAll(model: Model, real: Real): Promise<void> {
  const { containers, networks } = model.planEnd();
  const failures = await performAll(model, real, containers);
  failures.push(...(await performAll(model, real, networks)));
  refuse(failures);
  await expectQuiet(model, real);
}

/**
 * Churns until the time is over, or something is wrong, and removes everything in between and at
 * the end. `onEmpty` is told each time when nothing is left.
 *
 * @throws {ChurnError} naming the seed, by which the same operations come again
 */
export async function churn(
  lab: Lab,
  options: ChurnOptions,
  onEmpty: (round: number) => Promise<void> = async () => {},
  counts = emptyCounts(),
): Promise<ChurnCounts> {
  const real: Real = { lab, options, counts };
  const model = new Model(options);
  await onEmpty(0);
  for (let round = 1; !options.isOver(); round += 1) {
    const [commands] = fc.sample(commandsOf(options), { seed: options.seed + round, numRuns: 1 });
    if (commands === undefined) throw new Error('no commands');
    try {
      await fc.asyncModelRun(() => ({ model, real }), commands);
      await removeAll(model, real);
    } catch (error) {
      const where = `seed ${options.seed}, round ${round}, burst ${counts.bursts}`;
      throw new ChurnError(`${where}:\n${error instanceof Error ? error.message : error}`);
    }
    options.say?.(`round ${round} is over: nothing is left`);
    await onEmpty(round);
  }
  return counts;
}

function commandsOf(sizes: Sizes): fc.Arbitrary<Iterable<fc.AsyncCommand<Model, Real>>> {
  const kinds: readonly Wish['kind'][] = [
    ...(['start-or-stop', 'start-or-stop', 'connect', 'connect', 'disconnect'] as const),
    ...(['restart', 'remove', 'publish', 'publish'] as const),
  ];
  const wish = fc.record({
    container: fc.nat(sizes.containers - 1),
    kind: fc.constantFrom(...kinds),
    network: fc.nat(1_000),
  });
  const wishes = (most: number, least: number) =>
    fc.uniqueArray(wish, {
      minLength: least,
      maxLength: most,
      selector: ({ container }) => container,
      size: 'max',
    });
  const toggled = fc.uniqueArray(fc.nat(sizes.networks - 1), { maxLength: 3 });
  const burst = (most: number, least = 0) =>
    fc.tuple(wishes(most, least), toggled).map(([all, networks]) => new Burst(all, networks));
  return fc.commands([burst(8), burst(8), burst(24), burst(sizes.containers, sizes.containers)], {
    maxCommands: commandsInRound,
    size: 'max',
  }) as fc.Arbitrary<Iterable<fc.AsyncCommand<Model, Real>>>;
}
