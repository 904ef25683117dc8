/** Entry of the proxy process. */
import { runWorker } from './worker.js';

const [, , controlPath] = process.argv;
if (controlPath === undefined) throw new Error('usage: main.js CONTROL_SOCKET');
runWorker(controlPath);
