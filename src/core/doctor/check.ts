/** What a check of `tsbridge doctor` is, and what it finds. */
export { shell, shellWord } from '../shell-words.js';

import type { FactParts, Facts, Part } from './facts.js';

/** `error`: connections fail; `warning`: some do, or all will; `notice`: nothing fails, and an administrator should know. */
export type Severity = 'error' | 'warning' | 'notice';

export interface Found {
  /** What the finding is about: a network, an interface, a port, a rule, or {@link wholeHost}. */
  readonly object: string;
  /** What was read of the host. Names and texts that other programs chose are in it unescaped. */
  readonly evidence: string;
  /** The way out: one command line, in which names are quoted for a shell. */
  readonly command: string;
}

/** The object of findings about the host as a whole. No network or interface is called so: their names have no space. */
export const wholeHost = 'this host';

export interface Check {
  /** Never changed once released: scripts and docs/doctor.md name it. */
  readonly code: string;
  readonly severity: Severity;
  /** A sentence: the state of the host in which there is a finding. */
  readonly detects: string;
  /** A sentence: what follows from it for people. */
  readonly means: string;
  /** A sentence or two: what the command does, and what else one can do. */
  readonly remedy: string;
  /**
   * Codes of findings that this one causes. Such a finding is hidden if both are about the same object, or if this one is
   * about the whole host.
   */
  readonly hides: readonly string[];
  /** true: the daemon may be about to repair it, so it is a finding only if a second reading of the host shows it, too. */
  readonly settles: boolean;
  readonly needs: readonly Part[];
  /** @param facts with all parts that {@link needs} names */
  find(facts: Facts): readonly Found[];
}

interface Described<Needs extends Part>
  extends Pick<Check, 'code' | 'severity' | 'detects' | 'means' | 'remedy'> {
  readonly hides?: readonly string[];
  readonly settles?: true;
  readonly needs: readonly Needs[];
  find(facts: Pick<FactParts, Needs>): readonly Found[];
}

export function check<Needs extends Part>({
  hides = [],
  settles = false as true,
  find,
  ...rest
}: Described<Needs>): Check {
  // The examination calls it only if all parts that it needs are there.
  return { ...rest, hides, settles, find: (facts) => find(facts as Pick<FactParts, Needs>) };
}
