/**
 * Deletes links in a child process: the kernel waits for a grace period inside of the system call
 * (15–40 ms a link), which would stop the event loop if the daemon made it itself.
 */
import { DriverError } from '../../core/errors.js';
import type { InterfaceName } from '../../core/names.js';
import { CommandError, runCommand } from '../process/exec.js';
import { SharedRuns } from './shared-runs.js';

/** Each link may wait for a grace period; a loaded machine makes that seconds. */
const timeoutMs = 30_000;

/** Calls that arrive while a process runs share the next one. */
export class LinkRemoval {
  // Once each: the second deletion of a name in one batch could only find it absent.
  readonly #runs = new SharedRuns<InterfaceName>((names) => deleteLinks([...new Set(names)]));

  /** An absent link is success. @throws {DriverError} `link-failed` */
  remove(name: InterfaceName): Promise<void> {
    return this.#runs.join(name);
  }
}

/** The links that could not be deleted, with the reason. Never rejects. */
async function deleteLinks(
  names: readonly InterfaceName[],
): Promise<Map<InterfaceName, DriverError>> {
  const input = names.map((name) => `link delete dev ${name}\n`).join('');
  try {
    await runCommand('ip', ['-force', '-batch', '-'], { input, timeoutMs });
    return new Map();
  } catch (error) {
    const reasons =
      error instanceof CommandError && error.failure === 'exited'
        ? failedLines(error.stderr)
        : undefined;
    const failures = new Map<InterfaceName, DriverError>();
    for (const [index, name] of names.entries()) {
      const reason = reasons?.get(index + 1);
      if (reasons !== undefined && (reason === undefined || /cannot find device/i.test(reason))) {
        continue;
      }
      const why = reason ?? (error instanceof Error ? error.message : String(error));
      const message = `deleting interface ${name}: ${why}`;
      failures.set(name, new DriverError('link-failed', message, { cause: error }));
    }
    return failures;
  }
}

/**
 * Number of each failed line with its message: `ip -batch` prints what went wrong, then
 * `Command failed -:LINE`. undefined if the text has no such line, so that nothing is known.
 */
export function failedLines(stderr: string): ReadonlyMap<number, string> | undefined {
  const reasons = new Map<number, string>();
  let message: string[] = [];
  for (const line of stderr.split('\n')) {
    const match = /^Command failed .*:(\d+)$/.exec(line);
    if (match === null) {
      if (line.trim() !== '') message.push(line.trim());
      continue;
    }
    reasons.set(Number(match[1]), message.join('; '));
    message = [];
  }
  return reasons.size > 0 ? reasons : undefined;
}
