/**
 * `npm run soak -- [--minutes N] [--seed S] [--suite bookworm|trixie|forky] [--containers N]`: churn
 * with faults (test/churn/soak.ts), with a line for each burst and a summary with every count.
 */
import { loadavg, release } from 'node:os';
import { parseArgs } from 'node:util';
import { Lab, type Suite } from '../lab/lab.js';
import { after } from './churn.js';
import { soak } from './soak.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    suite: { type: 'string', default: 'bookworm' },
    containers: { type: 'string', default: '24' },
    networks: { type: 'string', default: '8' },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
const sizes = { containers: Number(values.containers), networks: Number(values.networks) };
if (!(minutes > 0) || !Number.isInteger(seed)) throw new Error('--minutes, --seed: numbers');

const say = (line: string): void => console.log(`${new Date().toISOString()} ${line}`);
const lab = await Lab.create({ suite: values.suite as Suite, liveRestore: true });
try {
  const version = await lab.docker('version', '--format', '{{.Server.Version}}');
  console.log(`Docker ${version}, Linux ${release()}, Node.js ${process.version}, seed ${seed}`);
  const summary = await soak(lab, { ...sizes, seed, isOver: after(minutes), say });
  console.log(JSON.stringify({ ...summary, load: loadavg().map((n) => n.toFixed(1)) }, null, 2));
  if (summary.failure !== undefined) {
    lab.printLogs(80);
    console.error(summary.failure);
  }
  const wrong = summary.failure !== undefined || summary.grown.length + summary.left.length > 0;
  if (wrong) process.exitCode = 1;
} catch (error) {
  lab.printLogs(80);
  console.error(String(error));
  process.exitCode = 1;
} finally {
  await lab.dispose();
}
