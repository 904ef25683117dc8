/** See pure.ts. */
import { slow } from './long.js';
import { runFolders } from './run-folders.js';

await runFolders(['codec', 'driver', 'frontends', 'operator', 'admin', 'scripts'], slow);
