/** The module of each generation, and whether its engine writes IPv6 rules. */
import { docker17 } from './docker17.js';
import { docker20 } from './docker20.js';
import { docker28 } from './docker28.js';
import { docker29 } from './docker29.js';
import type { Generation, GenerationName } from './generation.js';

export const generations: Readonly<Record<GenerationName, Generation>> = {
  docker17,
  docker20,
  docker28,
  docker29,
};

export interface Ipv6Ways {
  /** Whether the engine writes ip6tables rules at all; without, `--ip6tables` means nothing. */
  readonly rules: boolean;
}

export const ipv6Ways: Readonly<Record<GenerationName, Ipv6Ways>> = {
  docker17: { rules: false },
  docker20: { rules: true },
  docker28: { rules: true },
  docker29: { rules: true },
};
