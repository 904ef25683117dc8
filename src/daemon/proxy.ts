/** The composition root's part for the process that holds published ports. */
import { readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildId } from '../build-id.js';
import type { Config } from '../config/config.js';
import type { Log } from '../driver/host.js';
import { spawnProcess } from '../host/process/exec.js';
import type { ProcessFiles } from '../host/process/processes.js';
import { linkName } from '../proxy/control-folder.js';
import { ProxySupervisor } from '../proxy/supervisor.js';

/** @param program its entry, which lies in another place in a bundle than beside this module */
export function superviseProxy(
  { runtimeDir }: Config,
  program: URL,
  processes: ProcessFiles,
  log: Log,
): ProxySupervisor {
  return new ProxySupervisor({
    controlPath: `${runtimeDir}/${linkName}`,
    startProcess: (controlPath) =>
      spawnProcess(
        process.execPath,
        [
          // As in the first line of src/main.ts: without it, SIGUSR1 opens Node's debugger.
          '--disable-sigusr1',
          // The proxy process makes next to no garbage, and with a small young generation needs 10 MB less memory.
          '--max-semi-space-size=1',
          '--v8-pool-size=1',
          fileURLToPath(program),
          controlPath,
        ],
        { detached: true, stdout: 'ignore', stderr: 'inherit' },
      ),
    processes,
    own: {
      build: buildId,
      node: process.version,
      network: readlinkSync('/proc/self/ns/net'),
    },
    log,
  });
}
