/** Which generation of Docker's rules is written now: forced, seen on the host, or the default. */
import type { Family } from '../../core/address.js';
import { generations, ipv6Ways } from '../../core/generations/all.js';
import {
  engineGeneration,
  type Generation,
  type GenerationName,
  seenGenerations,
} from '../../core/generations/generation.js';
import type { RuleSet } from '../../core/rules/rule-set.js';

/** Without an engine's chains: the newest whose rules need nothing that an engine sets up. */
const fallback: GenerationName = 'docker29';

export class GenerationChoice {
  #current: Generation;
  #ipv6 = false;
  /** The generation for which it was decided whether IPv6 rules are written. */
  #ipv6Of: GenerationName | undefined;
  /** The generations whose jumps were on the host when it was read last; undefined before the first time. */
  #seen: readonly GenerationName[] | undefined;

  constructor(
    private readonly forced: GenerationName | 'auto',
    /** `--ip6tables`: `auto` writes IPv6 rules where the host's engine does. */
    private readonly ip6tables: boolean | 'auto',
  ) {
    this.#current = generations[forced === 'auto' ? fallback : forced];
    this.#ipv6 = ip6tables !== false;
  }

  get current(): Generation {
    return this.#current;
  }

  /** Whether rules of the family are written by any generation (`--ip6tables`). */
  mayWrite(family: Family): boolean {
    return family === 4 || this.ip6tables !== false;
  }

  /** Whether rules of the family are written now; with 17.03 there are none for IPv6. */
  writes(family: Family): boolean {
    return family === 4 || (this.#ipv6 && ipv6Ways[this.#current.name].rules);
  }

  /** The generation on record, which counts until the host's rules have been read. */
  expect(name: GenerationName): void {
    if (this.forced === 'auto') this.#current = generations[name];
  }

  /**
   * Decides by the observed rules of one family; IPv4 has to come first. If the generation changes, answers
   * with the former ones, whose base rules have to go as far as no engine needs them.
   */
  observe(family: Family, observed: RuleSet): Generation[] {
    if (family === 6) {
      if (this.ip6tables === 'auto') this.#followIpv6(observed);
      return [];
    }
    const before = this.#seen;
    const seen = seenGenerations(observed);
    this.#seen = seen;
    // Chains of other generations than the forced one belong to an engine, and stay.
    if (this.forced !== 'auto') return [];
    const former = this.#current;
    const next = engineGeneration(seen, before, former.name);
    if (next !== undefined) this.#current = generations[next];
    // At the first reading it is unknown what the last daemon has written. Chains whose jumps are missing
    // can be those of an engine that is just starting.
    const names = before === undefined ? [former.name, ...seen] : [former.name];
    return [...new Set(names)]
      .filter((name) => name !== this.#current.name)
      .map((name) => generations[name]);
  }

  /** Once the engine's IPv6 chains were seen, their absence means that another program has flushed them. */
  #followIpv6(observed: RuleSet): void {
    const { name } = this.#current;
    const before = this.#ipv6Of === name && this.#ipv6;
    this.#ipv6 = before || followsIpv6(name, observed);
    this.#ipv6Of = name;
  }
}

/** Engines write IPv6 rules by default from 27 on; earlier ones only with their flag `--ip6tables`. */
function followsIpv6(generation: GenerationName, observed: RuleSet): boolean {
  return generation !== 'docker20' || observed.hasChain('filter', 'DOCKER');
}
