/** The parts of scripts/test. */

export interface Part {
  readonly name: string;
  /** A script of package.json. */
  readonly script: string;
  /** Whether its output is tap's; otherwise it passes or fails as a whole. */
  readonly tap: boolean;
}

export const parts: readonly Part[] = [
  { name: 'lint', script: 'lint', tap: false },
  { name: 'unit', script: 'test:coverage', tap: true },
  { name: 'processes', script: 'test:processes', tap: true },
  { name: 'kernel', script: 'test:kernel', tap: true },
  { name: 'fuzz', script: 'test:fuzz', tap: true },
  { name: 'engine', script: 'test:engine', tap: true },
];

/** Which roots of Debian the tests use, as scripts/engine-root knows them; bullseye for its iptables. */
export const engines = [
  'bookworm',
  'bookworm-firewalld',
  'bookworm-frr',
  'trixie',
  'forky',
  'forky-frr',
  'bookworm-systemd',
  'bullseye',
] as const;

/** @throws {Error} that lists what there is */
export function chosenParts(names: readonly string[]): Part[] {
  const known = parts.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`unknown part ${unknown}: ${known.join(', ')}`);
  return parts.filter(({ name }) => names.length === 0 || names.includes(name));
}
