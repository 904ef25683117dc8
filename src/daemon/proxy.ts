/** The composition root's part for the process that holds published ports. */
import { readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildId } from '../build-id.js';
import type { Config } from '../config/config.js';
import type { Log } from '../driver/host.js';
import { spawnProcess } from '../host/process/exec.js';
import type { ProcessFiles } from '../host/process/processes.js';
import { linkName } from '../proxy/control-folder.js';
import type { StartProcess } from '../proxy/supervision/launcher.js';
import { ProxySupervisor } from '../proxy/supervision/supervisor.js';
import { inUnit } from './proxy-unit.js';

/** The one that the unit is written for: it says which folder the process sees. */
const unitFolder = '/run/tsbridge';

/**
 * How long a proxy process may take to start. That is less than the time limit of a call, if the limit is the default
 * (30 s) or longer: so the call's error tells the reason. It is at least 25 s, because the engine does not start a
 * container again that failed at boot; if the limit is shorter, the start goes on after the call has failed.
 *
 * @returns milliseconds
 */
export function startTimeout(callTimeoutMs: number): number {
  return Math.max(25_000, Math.round((callTimeoutMs * 5) / 6));
}

/** @param program its entry, which in `dist/` lies in another place than beside this module */
export function superviseProxy(
  { runtimeDir, proxyUnit, callTimeoutMs }: Config,
  program: URL,
  processes: ProcessFiles,
  log: Log,
): ProxySupervisor {
  const asChild: StartProcess = (controlPath) =>
    spawnProcess(
      process.execPath,
      [
        // The flags are those of systemd/tsbridge-proxy@.service.
        // As in the first line of src/main.ts: without it, SIGUSR1 opens Node's debugger.
        '--disable-sigusr1',
        // With a small young generation the proxy process needs 10 MB less memory. With `--optimize-for-size`
        // V8 collects the 8 MB of garbage that a thousand ports leave; without it, V8 waits for twice as much.
        '--max-semi-space-size=1',
        '--optimize-for-size',
        '--v8-pool-size=1',
        fileURLToPath(program),
        controlPath,
      ],
      // Ready is the unit when the daemon is, and not before.
      { detached: true, stdout: 'ignore', stderr: 'inherit', env: { NOTIFY_SOCKET: '' } },
    );
  if (proxyUnit !== 'none' && runtimeDir !== unitFolder) {
    log.warn(
      { runtimeDir, unit: proxyUnit },
      `the unit is for ${unitFolder}: a child takes its place`,
    );
  }
  const startTimeoutMs = startTimeout(callTimeoutMs);
  return new ProxySupervisor({
    controlPath: `${runtimeDir}/${linkName}`,
    startProcess:
      proxyUnit === 'none' || runtimeDir !== unitFolder
        ? asChild
        : inUnit({ template: proxyUnit, startTimeoutMs, asChild, log }),
    processes,
    own: {
      build: buildId,
      node: process.version,
      network: readlinkSync('/proc/self/ns/net'),
    },
    startTimeoutMs,
    log,
  });
}
