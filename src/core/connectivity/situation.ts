/** What the result of a connection follows from: a family of a network, its generation of rules, and the host. */
import type { Family } from '../address.js';
import type { GenerationName } from '../generations/generation.js';
import type { NetworkFamily, NetworkSpec } from '../network/network.js';
import type { HostSettings, PathTest, Probe, Seen, Target } from './path.js';

export interface Situation {
  readonly network: NetworkSpec;
  readonly own: NetworkFamily;
  readonly family: Family;
  readonly generation: GenerationName;
  readonly host: HostSettings;
}

export type Expected = Pick<PathTest, 'expected' | 'because'>;

export const yes = (seen: Seen, because: string): Expected => ({
  expected: { answer: true, seen },
  because,
});
export const no = (because: string): Expected => ({ expected: { answer: false }, because });

/** One connection for each of the probes. */
export function test(
  { family }: Situation,
  name: string,
  from: PathTest['from'],
  to: Target,
  expected: Expected,
  probes: readonly Probe[] = ['tcp'],
): PathTest[] {
  return probes.map((probe) => ({ name, family, probe, from, to, ...expected }));
}
