/** The daemon as a process: what it tells systemd, and what ends it. */
import type { Log } from '../driver/host.js';
import type { Libc } from '../host/process/libc.js';
import { notifyReady } from '../host/process/systemd.js';

/** If systemd cannot be told, that is logged, and the daemon serves its calls all the same. */
export async function tellReady(libc: Libc, log: Log): Promise<void> {
  try {
    await notifyReady(libc);
  } catch (error) {
    log.warn({ error }, 'systemd could not be told that calls are served; it may end this process');
  }
}

/** Resolves with the name of the signal that asks for the end. */
export function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      // Not `once`: with no listener left, execa's own handler would end the process at once.
      process.on(signal, () => resolve(signal));
    }
  });
}
