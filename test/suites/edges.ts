/** See pure.ts. */
import { slow } from './long.js';
import { runFolders } from './run-folders.js';

await runFolders(['render', 'driver', 'protocol', 'admin'], slow);
