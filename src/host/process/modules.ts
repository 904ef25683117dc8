/** Kernel modules. */
import { runCommand } from './exec.js';

/** A failure is ignored: the module may be built in, or the daemon not allowed to load any. */
export async function loadModule(name: 'br_netfilter'): Promise<void> {
  await runCommand('modprobe', [name], { timeoutMs: 10_000 }).catch(() => undefined);
}
