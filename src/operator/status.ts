/** What an operator can ask of the daemon: how it is, and what would be repaired now. */
import { background } from '../background.js';
import { messageOf } from '../core/errors.js';
import type { GenerationName } from '../core/generations/generation.js';
import {
  type ForgottenNetwork,
  forgetNetwork,
  forgottenCandidates,
} from '../driver/orphans/forgotten-networks.js';
import type { Concern } from '../driver/repair/concern.js';
import { hostConcerns } from '../driver/repair/concerns.js';
import type { RepairStatus } from '../driver/repair/self-repair.js';
import { everything } from '../driver/repair/signs.js';
import type { World } from '../driver/world.js';

/** What the composition root knows and the driver does not. */
export interface Facts {
  readonly version: string;
  /** A hash of the code that runs. */
  readonly build: string;
  /** Version of Node.js. */
  readonly node: string;
  /** Which iptables holds the rules; `off`: none are written. */
  readonly iptables: 'nft' | 'legacy' | 'off';
  readonly ip6tables: 'nft' | 'legacy' | 'off';
  /** null: the process is not running; it starts with the first network. */
  readonly proxy: ProxyFacts | null;
  /** How long the event loop was held up at most since the start. */
  readonly longestStallMs: number;
  /** What does not work as it should, in words. */
  readonly problems: readonly string[];
}

export interface ProxyFacts {
  readonly pid: number;
  /** A hash of the code that the proxy process runs. It differs from the daemon's if a handover failed. */
  readonly build: string;
  readonly node: string;
  readonly listeners: number;
  readonly connections: number;
}

export interface Status extends Omit<Facts, 'problems'> {
  readonly pid: number;
  /** RFC 3339, UTC. */
  readonly startedAt: string;
  /** `failed`: records could not be read; calls are answered with the error. */
  readonly state: 'recovering' | 'serving' | 'failed';
  readonly generation: GenerationName;
  readonly networks: number;
  readonly endpoints: number;
  readonly publishedPorts: number;
  readonly repairs: RepairStatus;
  /** What {@link Operator.reconcile} would do now: how much, and the first of it. */
  readonly drift: { readonly count: number; readonly first: readonly string[] };
  readonly degraded: readonly string[];
}

export interface Reconciliation {
  readonly dryRun: boolean;
  /** What was done, or would be, a line each, by the concern's name. */
  readonly changes: Readonly<Record<string, readonly string[]>>;
  /** Networks that the engine may have forgotten, and that were not changed; see {@link Operator.forget}. */
  readonly forgotten: readonly ForgottenNetwork[];
}

export interface Operator {
  status(): Promise<Status>;
  reconcile(dryRun: boolean): Promise<Reconciliation>;
  /** Removes a network that the engine has forgotten; with `dryRun`, answers with what would go. */
  forget(network: string, dryRun: boolean): Promise<ForgottenNetwork>;
}

const shownDrift = 10;

export class HostOperator implements Operator {
  readonly #startedAt = new Date().toISOString();
  #state: Status['state'] = 'recovering';

  constructor(
    private readonly world: World,
    private readonly repairs: () => RepairStatus,
    private readonly facts: () => Promise<Facts>,
    private readonly recovered: Promise<void>,
    private readonly concerns: readonly Concern[] = hostConcerns(world),
  ) {
    const learned = recovered.then(
      () => {
        this.#state = 'serving';
      },
      () => {
        this.#state = 'failed';
      },
    );
    background(world.log, 'learning how recovery ended', learned);
  }

  async status(): Promise<Status> {
    const { registry, rules } = this.world;
    const { problems, ...facts } = await this.facts();
    const repairs = this.repairs();
    const degraded = [...problems];
    for (const [what, { steppedBack }] of Object.entries(repairs)) {
      if (steppedBack) degraded.push(`repairs of ${what} keep being undone, or fail: see the log`);
    }
    let drift: string[] = [];
    if (this.#state === 'serving') {
      try {
        drift = Object.values((await this.reconcile(true)).changes).flat();
      } catch (error) {
        degraded.push(`cannot compare the host with what should be there: ${messageOf(error)}`);
      }
    }
    // After the comparison: reading the rules may have brought some of these problems to light.
    degraded.push(...rules.problems(), ...registry.unreadable.all().map(({ reason }) => reason));
    if (this.#state === 'failed') degraded.push('recovery failed: no call is served; see the log');
    return {
      ...facts,
      pid: process.pid,
      startedAt: this.#startedAt,
      state: this.#state,
      generation: rules.generationName,
      networks: registry.networks().length,
      endpoints: registry.endpoints().length,
      publishedPorts: registry
        .endpoints()
        .reduce((sum, { record }) => sum + record.bindings.length, 0),
      repairs,
      drift: { count: drift.length, first: drift.slice(0, shownDrift) },
      degraded,
    };
  }

  /** @throws {DriverError} why recovery failed, or what could not be repaired */
  async reconcile(dryRun: boolean): Promise<Reconciliation> {
    await this.recovered;
    const changes: Record<string, readonly string[]> = {};
    for (const concern of this.concerns) {
      const done = dryRun
        ? await concern.differences()
        : await concern.repair('request', everything);
      changes[concern.name] = done === 'too-early' ? [] : done;
    }
    return { dryRun, changes, forgotten: forgottenCandidates(this.world) };
  }

  async forget(network: string, dryRun: boolean): Promise<ForgottenNetwork> {
    await this.recovered;
    return forgetNetwork(this.world, network, dryRun);
  }
}
