/** The driver's tests once more, with rules written by netlink to an nf_tables in memory. */
import { useBackend } from '../fakes/backends.js';
import { slow } from './long.js';
import { runFolders } from './run-folders.js';

useBackend('netlink');
await runFolders(['driver'], slow);
