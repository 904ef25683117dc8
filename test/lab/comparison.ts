/** Scenarios one after the other on a pair of hosts: what the tests and `npm run parity` share. */
import { Pair, type PairOptions } from './pair.js';
import { type Scenario, type Step, stepName } from './scenario.js';

/** Scenarios on engines that were started in one way. */
export interface Run extends PairOptions {
  readonly scenarios: readonly Scenario[];
}

export interface StepResult {
  readonly step: string;
  /** Lines; none if the hosts are equal. */
  readonly differences: readonly string[];
  /** Why the step was left out. */
  readonly skipped?: string;
}

export type CompareScenario = (scenario: Scenario) => AsyncGenerator<StepResult>;

/** `26.1 --userland-proxy=false`. */
export function runName(run: Run): string {
  const { engine, iptables, liveRestore, mapped, dockerdArgs = [], tsbridgeArgs = [] } = run;
  const own = tsbridgeArgs.filter((flag) => !dockerdArgs.includes(flag));
  const live = liveRestore === true ? ['--live-restore'] : [];
  return [
    engine,
    ...(iptables === undefined ? [] : [iptables]),
    ...live,
    ...dockerdArgs,
    ...own,
    ...(mapped === true ? ['tsbridge.port_rules=map'] : []),
  ].join(' ');
}

/** Fresh engines; `body` is given what runs a scenario on them, step by step. */
export async function onPair(
  run: Run,
  body: (compare: CompareScenario, pair: Pair) => Promise<void>,
): Promise<void> {
  const { scenarios: _, ...options } = run;
  const pair = await Pair.create(options);
  try {
    const before = await pair.snapshot();
    const sctp = await pair.hasSctp();
    await body(async function* ({ steps, exceptions = [], anyOrder = false }) {
      const except = exceptions
        .filter(({ engines }) => engines?.includes(run.engine) ?? true)
        .map(({ lines }) => lines);
      for (const step of steps) {
        if (!sctp && needsSctp(step)) {
          yield { step: stepName(step), differences: [], skipped: 'this kernel has no SCTP' };
          continue;
        }
        yield { step: stepName(step), differences: await pair.run(step, { except, anyOrder }) };
      }
      yield { step: 'nothing is left', differences: await pair.leftovers(before) };
    }, pair);
  } finally {
    await pair.dispose();
  }
}

function needsSctp(step: Step): boolean {
  return !('what' in step || 'refused' in step) && step.some((word) => word.endsWith('/sctp'));
}
