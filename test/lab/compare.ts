/** The comparison as tests: one a scenario, one assertion a step. */
import t from 'tap';
import { onPair, type Run, runName } from './comparison.js';

export async function compare(runs: readonly Run[]): Promise<void> {
  for (const run of runs) {
    await t.test(runName(run), (t) =>
      onPair(run, async (compareScenario, pair) => {
        for (const scenario of run.scenarios) {
          await t.test(scenario.name, async (t) => {
            for await (const { step, differences, skipped } of compareScenario(scenario)) {
              t.strictSame(differences, [], step, skipped === undefined ? {} : { skip: skipped });
            }
            if (!t.passing()) pair.candidate.printLogs();
          });
        }
      }),
    );
  }
}
