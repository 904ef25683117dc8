/** Programs that the daemon runs and a host may lack. */
import { isInstalled } from './process/exec.js';

/**
 * What is missing, what that means and which package has it, a sentence each.
 *
 * @param iptables the variant that rules are written with; undefined: none are written
 */
export function missingPrograms(iptables: 'nft' | 'legacy' | undefined): string[] {
  if (iptables !== 'nft' || isInstalled('nft')) return [];
  return [
    "the command 'nft' is missing: rules are deleted by their text, which takes long where there are " +
      "thousands; install the package 'nftables'",
  ];
}
