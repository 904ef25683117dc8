/** Every death of the daemon in memory once more, with the other backend: see second-backend.ts. */
import { useBackend } from '../fakes/backends.js';

useBackend('memory');
await import('../driver/crash.test.js');
