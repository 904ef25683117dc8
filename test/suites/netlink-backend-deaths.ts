/** Every death of the daemon in memory once more, with rules written by netlink: see netlink-backend.ts. */
import { useBackend } from '../fakes/backends.js';

useBackend('netlink');
await import('../driver/crash.test.js');
