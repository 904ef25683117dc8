import '../architecture.test.ts';
import { runFolders } from './run-folders.js';

await runFolders(['core', 'render', 'driver']);
