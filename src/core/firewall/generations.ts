/** Name → module, and how generations differ over IPv6 beyond the rules themselves. */
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
  /**
   * When the policy of FORWARD becomes DROP (spec section 1.4): `never`, at every `start` of the
   * engine whatever the sysctl was, or when a network was the one to `switch-on` forwarding.
   */
  readonly dropForwarded: 'never' | 'start' | 'switch-on';
  /** Whether a published port without a host address is published on `::` too (3.2). */
  readonly implicitBinding: boolean;
  /** Whether a network may be without IPv4. */
  readonly withoutIpv4: boolean;
}

export const ipv6Ways: Readonly<Record<GenerationName, Ipv6Ways>> = {
  docker17: { rules: false, dropForwarded: 'never', implicitBinding: false, withoutIpv4: false },
  docker20: { rules: true, dropForwarded: 'start', implicitBinding: true, withoutIpv4: false },
  docker28: { rules: true, dropForwarded: 'switch-on', implicitBinding: true, withoutIpv4: true },
  docker29: { rules: true, dropForwarded: 'switch-on', implicitBinding: true, withoutIpv4: true },
};
