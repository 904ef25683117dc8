/** The proxy process with times that a test can wait for: `CONTROL_SOCKET SETTINGS` (JSON). */
import { runWorker, type WorkerSettings } from '../../src/proxy/process/worker.js';

const [, , controlPath, settings] = process.argv;
if (controlPath === undefined || settings === undefined) throw new Error('two arguments');
runWorker(controlPath, JSON.parse(settings) as WorkerSettings);
