/**
 * `npm run churn`, with the flags of test/churn/command-line.ts: random operations on a real engine, against a model
 * (test/churn/churn.ts), with a line for each burst and a summary.
 */
import { release } from 'node:os';
import { Lab } from '../lab/lab.js';
import { churn } from './churn.js';
import { readCommandLine } from './command-line.js';
import { leftAfter } from './quiet.js';

const asked = readCommandLine({ minutes: '10', containers: '64' });

const lab = await Lab.create(asked.lab);
try {
  await lab.spawnTsbridge(asked.tsbridgeArgs);
  const before = await lab.snapshot();
  const version = await lab.docker('version', '--format', '{{.Server.Version}}');
  console.log(`Docker ${version}, Linux ${release()}, Node.js ${process.version}, ${asked.title}`);
  const counts = await churn(lab, { ...asked.options, say: console.log });
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
