/** Kernel modules. */
import { runCommand } from './exec.js';

const timeoutMs = 10_000;

/**
 * By modprobe or, where the daemon may not (its unit leaves it no CAP_SYS_MODULE), by systemd. A
 * failure says nothing: the module may be built in, or loading it not this host's business.
 */
export async function loadModule(name: 'br_netfilter'): Promise<void> {
  try {
    await runCommand('modprobe', [name], { timeoutMs });
  } catch {
    const service = `modprobe@${name}.service`;
    // systemd's own socket: it answers root without D-Bus and without capabilities.
    await runCommand('systemctl', ['start', service], { timeoutMs }).catch(() => undefined);
  }
}
