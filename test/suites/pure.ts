/** With edges.ts all tests that need no root, in two halves of about the same time. */
import '../architecture.test.js';
import '../clock.test.js';
import '../connections.test.js';
import '../file-sizes.test.js';
import '../background.test.js';
import '../platform.test.js';
import '../unix-socket.test.js';
import '../unused-memory.test.js';
import '../yielding.test.js';
import { slow } from './long.js';
import { runFolders } from './run-folders.js';

await runFolders(['core', 'config', 'cli', 'docs'], slow);
