import { slow } from './long.js';
import { runFolders } from './run-folders.js';

await runFolders(['proxy', 'host']);
for (const file of slow) await import(new URL(`../${file}`, import.meta.url).href);
