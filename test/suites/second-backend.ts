/** The driver's tests once more, with another backend of rules below: what is above knows no text. */
import { useBackend } from '../fakes/backends.js';
import { slow } from './long.js';
import { runFolders } from './run-folders.js';

useBackend('memory');
await runFolders(['driver'], slow);
