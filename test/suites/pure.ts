import '../architecture.test.js';
import { slow } from './long.js';
import { runFolders } from './run-folders.js';

await runFolders(['core', 'render', 'driver'], slow);
