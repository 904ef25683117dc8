/**
 * `npm run soak`, with the flags of test/churn/command-line.ts: churn with faults (test/churn/soak.ts), with a line for
 * each burst and a summary with every count.
 */
import { loadavg, release } from 'node:os';
import { Lab } from '../lab/lab.js';
import { readCommandLine } from './command-line.js';
import { soak } from './soak.js';

const asked = readCommandLine({ minutes: '60', containers: '24' });

const say = (line: string): void => console.log(`${new Date().toISOString()} ${line}`);
const lab = await Lab.create({ ...asked.lab, liveRestore: true });
try {
  const version = await lab.docker('version', '--format', '{{.Server.Version}}');
  console.log(`Docker ${version}, Linux ${release()}, Node.js ${process.version}, ${asked.title}`);
  const { options, faults, tsbridgeArgs } = asked;
  const summary = await soak(lab, { ...options, faults, tsbridgeArgs, say });
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
