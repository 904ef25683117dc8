import { runFolders } from './run-folders.js';

await runFolders(['protocol', 'cli', 'admin']);
