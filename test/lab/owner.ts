/**
 * Labs end with the process that made them: at once when it exits, in order when a signal asks.
 */

interface Mortal {
  /** At once, without waiting. */
  kill(): void;
  dispose(): Promise<void>;
}

const open = new Set<Mortal>();
let watching = false;

export function endWithOwner(lab: Mortal): void {
  open.add(lab);
  if (watching) return;
  watching = true;
  process.once('exit', () => {
    for (const lab of open) lab.kill();
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      void Promise.allSettled([...open].map((lab) => lab.dispose())).then(() => {
        process.kill(process.pid, signal);
      });
    });
  }
}

/** It has been disposed of. */
export function ended(lab: Mortal): void {
  open.delete(lab);
}
