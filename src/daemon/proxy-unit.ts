/**
 * The process that holds published ports, as a unit of systemd of its own: with restrictions of its own, which are
 * narrower than those that the daemon can live with, and whatever becomes of the daemon's unit.
 */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { background } from '../background.js';
import type { UnitTemplate } from '../config/values.js';
import { messageOf } from '../core/errors.js';
import type { Log } from '../driver/host.js';
import { runCommand } from '../host/process/exec.js';
import type { StartProcess } from '../proxy/supervision/launcher.js';

export interface UnitSettings {
  readonly template: UnitTemplate;
  /** How long the proxy process may take to start: the unit, and the child after it if the unit fails. */
  readonly startTimeoutMs: number;
  /** Starts it as a child, where systemd cannot: the ports count more than what confines the process. */
  readonly asChild: StartProcess;
  readonly log: Log;
}

/** The part of the start timeout that systemd may use: in the rest, a child can still start in place of the unit. */
const unitShare = 0.7;
/**
 * The time that systemd has to start the unit.
 *
 * @param startTimeoutMs the time for the unit and a child after it together
 * @returns milliseconds
 */
export function unitStartTimeout(startTimeoutMs: number): number {
  return Math.round(startTimeoutMs * unitShare);
}
const killTimeoutMs = 5_000;

/** An instance is named by the process's socket: `tsbridge-proxy@3.service` listens on `…/proxy/3`. */
export function inUnit({ template, startTimeoutMs, asChild, log }: UnitSettings): StartProcess {
  return (controlPath) => {
    const unit = `${template}${basename(controlPath)}.service`;
    let child: ReturnType<StartProcess> | undefined;
    let killed = false;
    const failed = startUnit(unit, controlPath, unitStartTimeout(startTimeoutMs)).catch(
      async (error: unknown) => {
        log.warn(
          { unit, error: messageOf(error) },
          'systemd did not start the proxy process, which so has fewer restrictions, as a child of the daemon',
        );
        // systemd may still be starting it if the command timed out; and ending it frees the unit's name.
        await killUnit(unit).catch(() => undefined);
        return killed ? undefined : asChild(controlPath);
      },
    );
    const ended = failed.then(async (started) => {
      child = started;
      child?.unref();
      // Nobody tells this process when a unit ends: the launcher asks the process in it.
      return (await child?.ended) ?? new Promise<never>(() => undefined);
    });
    return {
      // systemd's children are not ours, and the command that starts one ends by itself.
      unref: () => undefined,
      kill: (signal) => {
        killed = true;
        child?.kill(signal);
        background(log, `ending ${unit}`, () => killUnit(unit));
      },
      ended,
    };
  };
}

/** Resolves when the process listens (Type=notify). */
async function startUnit(unit: string, controlPath: string, timeoutMs: number): Promise<undefined> {
  await runCommand('systemctl', ['start', unit], { timeoutMs });
  // A unit of that name ran already: a process that has retired and still has connections.
  if (!existsSync(controlPath))
    throw new Error(`${unit} runs and does not listen on ${controlPath}`);
}

async function killUnit(unit: string): Promise<void> {
  await runCommand('systemctl', ['kill', '--signal=SIGKILL', unit], { timeoutMs: killTimeoutMs });
}
