/**
 * `npm run parity [-- ENGINE…] [--only=REGEX] [--map]`: the comparison for people, one line a scenario.
 * Ends with `N of M steps equal` for each engine; the status is 1 if any step was not. With
 * `--only` just the scenarios whose names match; with `--map` all of them with their ports in a map.
 */
import { parseArgs } from 'node:util';
import { onPair, type Run, runName } from './comparison.js';
import { mappedRunsOf, runsOf } from './parity-runs.js';
import { type EngineVersion, SUITES } from './suites.js';

const known = Object.keys(SUITES) as EngineVersion[];

const { values, positionals: wanted } = parseArgs({
  options: { only: { type: 'string', default: '' }, map: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const only = new RegExp(values.only);

interface Tally {
  equal: number;
  steps: number;
}

async function compareEngine(engine: EngineVersion): Promise<Tally> {
  const tally = { equal: 0, steps: 0 };
  for (const run of values.map ? mappedRunsOf(engine) : runsOf(engine)) {
    const scenarios = run.scenarios.filter(({ name }) => only.test(name));
    if (scenarios.length > 0) await compareRun({ ...run, scenarios }, tally);
  }
  console.log(`${engine}: ${tally.equal} of ${tally.steps} steps equal\n`);
  return tally;
}

async function compareRun(run: Run, tally: Tally): Promise<void> {
  console.log(`# ${runName(run)}`);
  await onPair(run, async (compareScenario) => {
    for (const scenario of run.scenarios) {
      const lines: string[] = [];
      const counted = { equal: 0, steps: 0 };
      for await (const { step, differences, skipped } of compareScenario(scenario)) {
        if (skipped !== undefined) continue;
        counted.steps += 1;
        if (differences.length === 0) counted.equal += 1;
        else lines.push(`    after ${step}`, ...differences.map((line) => `      ${line}`));
      }
      console.log(`  ${scenario.name}: ${counted.equal} of ${counted.steps}`);
      for (const line of lines) console.log(line);
      tally.equal += counted.equal;
      tally.steps += counted.steps;
    }
  });
}

const unknown = wanted.filter((word) => !known.some((engine) => engine === word));
if (unknown.length > 0) {
  console.error(`unknown engine ${unknown.join(', ')}: use ${known.join(', ')}, or none for all`);
  process.exitCode = 2;
} else {
  for (const engine of known) {
    if (wanted.length > 0 && !wanted.includes(engine)) continue;
    const { equal, steps } = await compareEngine(engine);
    if (equal < steps) process.exitCode = 1;
  }
}
