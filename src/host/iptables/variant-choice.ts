/**
 * The variant of iptables that rules are written with. It is chosen at the start, and again when the file
 * behind `iptables` changes (`update-alternatives`) or an engine starts, which may bring an iptables of its
 * own. No rules are added while it is in doubt which variant the engine uses.
 */
import { existsSync } from 'node:fs';
import type { Family } from '../../core/address.js';
import { DriverError, messageOf } from '../../core/errors.js';
import type { Log } from '../../driver/host.js';
import { detectVariant, type FirewallCommands, toolTargets } from './variant.js';

export type Chosen = ReadonlyMap<Family, FirewallCommands>;

export class VariantChoice {
  /** The commands of each family; empty before the first {@link choose}. */
  chosen: Chosen = new Map();
  /** Why rules cannot be added at the moment. */
  #doubt: DriverError | undefined;
  #targets = '';
  #engineStarted = false;
  #checking: Promise<boolean> | undefined;

  constructor(private readonly log?: Log) {}

  /**
   * Finds out the variant by reading the host's rules (some 10 ms).
   *
   * @throws {DriverError} `firewall-split`, or `firewall-failed` if there is no iptables for IPv4
   */
  async choose(): Promise<void> {
    this.#targets = toolTargets();
    this.chosen = await detect();
  }

  /** An engine has started, which may use another variant: the next check reads the rules again. */
  engineStarted(): void {
    this.#engineStarted = true;
  }

  /** In words: why rules are not added. */
  get problem(): string | undefined {
    return this.#doubt?.message;
  }

  /**
   * Whether the variant has changed since it was chosen; then the new one is used from now on. Calls at the
   * same time share one check.
   */
  check(): Promise<boolean> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  /** @throws {DriverError} `firewall-split` while it is not known which variant the engine uses */
  refuseDoubt(): void {
    if (this.#doubt !== undefined) throw this.#doubt;
  }

  async #check(): Promise<boolean> {
    const targets = toolTargets();
    const mayHaveChanged =
      this.#engineStarted || this.#doubt !== undefined || targets !== this.#targets;
    if (!mayHaveChanged) return false;
    this.#engineStarted = false;
    this.#targets = targets;
    const before = this.chosen;
    try {
      const detected = await detect();
      this.#doubt = undefined;
      if (namesOf(detected) === namesOf(before)) return false;
      this.chosen = detected;
      this.log?.warn(
        { from: namesOf(before), to: namesOf(detected) },
        'the engine uses another variant of iptables; rules are written with that one from now on',
      );
      return true;
    } catch (error) {
      const known = this.#doubt?.message;
      this.#doubt =
        error instanceof DriverError
          ? error
          : new DriverError('firewall-failed', messageOf(error), { cause: error });
      if (this.#doubt.message !== known) {
        this.log?.error({ error: this.#doubt.message }, 'no rules are added');
      }
      return false;
    }
  }
}

const namesOf = (chosen: Chosen): string =>
  [...chosen.values()].map(({ restore }) => restore).join(', ');

async function detect(): Promise<Chosen> {
  const chosen = new Map<Family, FirewallCommands>();
  // With ipv6.disable=1 the commands are there, but what they change has no effect.
  const hasIpv6 = existsSync('/proc/net/if_inet6');
  const [ipv4, ipv6] = await Promise.all([
    detectVariant(4),
    hasIpv6 ? detectVariant(6) : undefined,
  ]);
  if (ipv4 === undefined) {
    throw new DriverError(
      'firewall-failed',
      'choosing the firewall: iptables is missing or cannot read the rules of this kernel; ' +
        "install the package 'iptables', or run tsbridge with --iptables=false",
    );
  }
  chosen.set(4, ipv4);
  if (ipv6 !== undefined) chosen.set(6, ipv6);
  return chosen;
}
