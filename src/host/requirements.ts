/** Programs that tsbridge runs and a host may lack. */
import { isInstalled } from './process/exec.js';

/**
 * What is missing, what that means and which package has it, a sentence each.
 *
 * @param iptables the variant that rules are written with; undefined: none are written
 */
export function missingPrograms(iptables: 'nft' | 'legacy' | undefined): string[] {
  if (iptables !== 'nft' || isInstalled('nft')) return [];
  return [
    "the command 'nft' is missing: tsbridge explain, trace, drops and doctor do not see rules of nftables; " +
      "install the package 'nftables'",
  ];
}
