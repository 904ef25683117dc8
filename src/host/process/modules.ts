/** Kernel modules. */
import { runCommand } from './exec.js';

const timeoutMs = 10_000;

/**
 * Loads a module by modprobe or, where the daemon lacks CAP_SYS_MODULE (as under its systemd unit), by
 * systemd. Failures are ignored: the module may be built in, and what it brings shows in /proc/sys.
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
