/** Conflicts of a new network with existing ones. */
import { cidrText, overlaps } from '../address.js';
import { DriverError } from '../errors.js';
import { familiesOf, familyIn, type NetworkSpec, networkLabel } from './network.js';

/**
 * Docker's check of a new network against every other one (docs/docker-bridge.md 4.3). The error begins with
 * Docker's words, and has every conflict and what to do about it.
 *
 * @param others the existing networks; `spec` itself may be among them
 * @param words commands of the front end for the person who made the call
 * @throws DriverError `network-conflict`
 */
export function conflictsWith(
  spec: NetworkSpec,
  others: Iterable<NetworkSpec>,
  words: { readonly removeNetwork: string; readonly listNetworks: string },
): void {
  const conflicts: string[] = [];
  for (const other of others) {
    if (other.id === spec.id) continue;
    const reasons = reasonsAgainst(spec, other);
    if (reasons.length === 0) continue;
    conflicts.push(`conflicts with network ${networkLabel(other)}: ${reasons.join(', and ')}`);
  }
  if (conflicts.length === 0) return;
  throw new DriverError(
    'network-conflict',
    `cannot create network ${networkLabel(spec)}: ${conflicts.join('; ')}; ` +
      `choose others, or remove the network in the way with \`${words.removeNetwork}\` or, if ` +
      `\`${words.listNetworks}\` does not list it, with \`tsbridge forget\``,
  );
}

function reasonsAgainst(spec: NetworkSpec, other: NetworkSpec): string[] {
  const reasons: string[] = [];
  if (spec.bridge === other.bridge) reasons.push('networks have same bridge name');
  for (const { family, subnet } of familiesOf(spec)) {
    const theirs = familyIn(other, family)?.subnet;
    if (theirs === undefined || !overlaps(subnet, theirs)) continue;
    const both = `${cidrText(subnet)} and ${cidrText(theirs)}`;
    reasons.push(`networks have overlapping IPv${family} (${both})`);
  }
  return reasons;
}
