import { slow } from './long.js';
import { runFolders } from './run-folders.js';

await runFolders(['protocol', 'cli', 'admin'], slow);
