/** Runs commands whose output is shown as it comes. */
import { type ChildProcess, spawn } from 'node:child_process';

const running = new Set<ChildProcess>();

export interface Ended {
  /** 0 if it succeeded; 1 also after a signal. */
  readonly status: number;
}

/**
 * @param onText gets what the command writes, beside the terminal
 * @param show false to keep it from the terminal
 * @param graceMs how long the output of a command that has ended is waited for
 */
export function runShown(
  command: readonly [string, ...string[]],
  onText: (text: string) => void = () => undefined,
  show = true,
  graceMs = 15_000,
): Promise<Ended> {
  const [file, ...args] = command;
  // A group of its own: what it has started ends with it, debootstrap's many processes, too.
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  running.add(child);
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      if (show) process.stdout.write(text);
      onText(text);
    });
  }
  return new Promise((resolve) => {
    let holding: NodeJS.Timeout | undefined;
    const over = (status: number): void => {
      clearTimeout(holding);
      running.delete(child);
      resolve({ status });
    };
    child.once('error', (error) => {
      onText(`${file}: ${error.message}\n`);
      over(1);
    });
    child.once('close', (status) => over(status ?? 1));
    // A process that the command has left behind may hold its output open for ever.
    child.once('exit', (status) => {
      holding = setTimeout(() => {
        process.stderr.write(`${file} has ended; something that it started has not\n`);
        for (const stream of [child.stdout, child.stderr]) stream.destroy();
        over(status ?? 1);
      }, graceMs);
    });
  });
}

/** Ends every command that still runs, with what it has started. */
export function endAll(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): void {
  for (const { pid } of running) {
    try {
      if (pid !== undefined) process.kill(-pid, signal);
    } catch {
      // It is gone already.
    }
  }
}
