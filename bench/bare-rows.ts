/**
 * Rows that need no engine: what happens inside of the daemon as the host fills up, in a network
 * namespace of its own. Started by bench.ts; prints the figures as JSON.
 *
 *   node --import=tsx bench/bare-rows.ts [--rows REGEX] [--size N] [--generation NAME] [--netavark COMMAND]
 *     [--rule-backend NAME]
 */
import { inFreshNamespace, run } from '../test/process/netns.js';

inFreshNamespace();
const { mkdirSync } = await import('node:fs');
const { parseArgs } = await import('node:util');
const { measureBare } = await import('./measure-bare.js');

// /run of our own: its lock, its names of namespaces, its sockets.
run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
mkdirSync('/run/netns');
mkdirSync('/run/netavark');
const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '' },
    size: { type: 'string', default: '1000' },
    generation: { type: 'string', default: 'docker20' },
    netavark: { type: 'string', default: '[]' },
    'rule-backend': { type: 'string', default: 'auto' },
  },
});
// So that an interrupted run leaves no daemon behind: see `exit` in bare-host.ts.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => process.exit(1));
const wanted = new RegExp(values.rows);
const figures = await measureBare(
  {
    size: Number(values.size),
    generation: values.generation,
    ruleBackend: values['rule-backend'],
    netavark: JSON.parse(values.netavark) as string[],
  },
  (row) => wanted.test(row),
);
process.stdout.write(`${JSON.stringify(figures)}\n`);
process.exit(0);
