/** Entry of the proxy process. */
import '../no-debugger.js';
import { confine } from './process/system/confinement.js';

const [, , controlPath] = process.argv;
if (controlPath === undefined) throw new Error('usage: main.js CONTROL_SOCKET');
confine();
// Loaded only now: `confine` executes the program anew, and would load these modules twice.
const { runWorker } = await import('./process/worker.js');
runWorker(controlPath);
