/** Docker's versions, by the Debian release that has them. */
import type { Suite } from './lab.js';

export const SUITES = {
  '20.10': 'bookworm',
  '26.1': 'trixie',
  '28.5': 'forky',
} as const satisfies Record<string, Suite>;

export type EngineVersion = keyof typeof SUITES;
