/** Programs that the daemon runs and a host may lack, or may have in another implementation (busybox). */
import { CommandError, isInstalled, runCommand } from './process/exec.js';

/**
 * What is missing, what that means and which package has it, a sentence each.
 *
 * @param iptables the variant that rules are written with; undefined: none are written
 */
export async function missingPrograms(iptables: 'nft' | 'legacy' | undefined): Promise<string[]> {
  const problems: string[] = [];
  const ip = await ipProblem();
  if (ip !== undefined) {
    problems.push(
      `${ip}: interfaces cannot be removed and changes of them by others are not seen; ` +
        "install the package 'iproute2' (on Red Hat and Fedora 'iproute')",
    );
  }
  if (iptables === 'nft' && !isInstalled('nft')) {
    problems.push(
      "the command 'nft' is missing: rules are read every second to see changes by others, and deleted " +
        "by their text, which takes long where there are thousands; install the package 'nftables'",
    );
  }
  return problems;
}

/** undefined if `ip` is the one of iproute2. */
async function ipProblem(): Promise<string | undefined> {
  try {
    const { stdout } = await runCommand('ip', ['-V'], { timeoutMs: 10_000 });
    if (stdout.includes('iproute2')) return undefined;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    if (error.failure === 'not-found') return "the command 'ip' is missing";
    // A timeout on a machine under load says nothing of the program.
    if (error.failure === 'timed-out') return undefined;
  }
  return "the command 'ip' is not the one of iproute2 (BusyBox has another one)";
}
