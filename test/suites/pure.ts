import '../architecture.test.js';
import { runFolders } from './run-folders.js';

await runFolders(['core', 'render', 'driver']);
