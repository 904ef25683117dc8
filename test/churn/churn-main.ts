/**
 * `npm run churn -- [--minutes N] [--seed S] [--suite bookworm|trixie|forky] [--containers N]`:
 * random operations on a real engine, against a model (test/churn/churn.ts), with a line for each
 * burst and a summary.
 */
import { release } from 'node:os';
import { parseArgs } from 'node:util';
import { Lab, type Suite } from '../lab/lab.js';
import { after, churn } from './churn.js';
import { leftAfter } from './quiet.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    suite: { type: 'string', default: 'bookworm' },
    containers: { type: 'string', default: '64' },
    networks: { type: 'string', default: '8' },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
const sizes = { containers: Number(values.containers), networks: Number(values.networks) };
if (!(minutes > 0) || !Number.isInteger(seed)) throw new Error('--minutes, --seed: numbers');

const lab = await Lab.create({ suite: values.suite as Suite });
try {
  await lab.spawnTsbridge();
  const before = await lab.snapshot();
  const version = await lab.docker('version', '--format', '{{.Server.Version}}');
  console.log(`Docker ${version}, Linux ${release()}, Node.js ${process.version}, seed ${seed}`);
  const counts = await churn(lab, {
    ...sizes,
    seed,
    isOver: after(minutes),
    say: console.log,
  });
  const left = await leftAfter(lab, before);
  console.log(JSON.stringify({ ...counts, left }, null, 2));
  if (left.length > 0) process.exitCode = 1;
} catch (error) {
  lab.printLogs(60);
  console.error(String(error));
  process.exitCode = 1;
} finally {
  await lab.dispose();
}
