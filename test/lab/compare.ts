/**
 * The comparison as tests: one a scenario, one assertion a docker command.
 */
import t from 'tap';
import type { LabOptions } from './lab.js';
import { Pair } from './parity.js';
import type { Scenario } from './scenarios.js';

export async function compare(
  options: LabOptions,
  scenarios: readonly Scenario[],
  tsbridgeArgs: readonly string[] = [],
): Promise<void> {
  const flags = [options.iptables ?? [], options.dockerdArgs ?? []].flat().join(' ');
  await t.test(`${options.suite} ${flags}`.trim(), async (t) => {
    const pair = await Pair.create(options, tsbridgeArgs);
    t.teardown(() => pair.dispose());
    const before = await pair.candidate.snapshot();
    const sctp = await pair.hasSctp();
    for (const { name, commands, except } of scenarios) {
      await t.test(name, async (t) => {
        for (const command of commands) {
          if (!sctp && command.some((word) => word.endsWith('/sctp'))) {
            t.pass(`docker ${command.join(' ')}`, { skip: 'this kernel has no SCTP' });
            continue;
          }
          const { reference, candidate } = await pair.run(command, except);
          t.strictSame(candidate, reference, `docker ${command.join(' ')}`);
        }
        t.strictSame(await pair.candidate.leftovers(before), [], 'nothing is left');
        if (!t.passing()) pair.candidate.printLogs();
      });
    }
  });
}
