/** The driver's tests once more, called by another front end: it knows nothing of Docker's protocol. */
import { useFrontEnd } from '../fakes/called-driver.js';
import { slow } from './long.js';
import { runFolders } from './run-folders.js';

useFrontEnd('plain');
await runFolders(['driver'], slow);
