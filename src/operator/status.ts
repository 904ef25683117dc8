/**
 * Answers operators: how the daemon is and what a repair would change; and does what they ask for: reconcile, forget,
 * gc.
 */
import { background } from '../background.js';
import { DriverError, messageOf } from '../core/errors.js';
import type { GenerationName } from '../core/generations/generation.js';
import type { WaitingIn } from '../core/network/queues.js';
import type { RuleCommitCounts } from '../driver/host.js';
import type { Collected, ForgottenEndpoint } from '../driver/orphans/collected.js';
import type { Forgotten } from '../driver/orphans/forgotten.js';
import {
  type ForgottenNetwork,
  forgetNetwork,
  forgottenCandidates,
} from '../driver/orphans/forgotten-networks.js';
import type { Suspect } from '../driver/orphans/suspects.js';
import { hostConcerns } from '../driver/repair/concerns/all.js';
import type { Concern } from '../driver/repair/concerns/concern.js';
import type { RepairStatus } from '../driver/repair/self-repair.js';
import { everything } from '../driver/repair/signs.js';
import { isLeased } from '../driver/state/leased.js';
import { hostPortsOf } from '../driver/state/registry.js';
import { shownInEvent } from '../driver/telemetry.js';
import { heldBackPorts } from '../driver/usecases/ports/held-back.js';
import type { World } from '../driver/world.js';
import type { NamesSource } from './names/names.js';
import { networksOnUplink } from './networks-on-uplink.js';
import type { Problem } from './problems.js';

/** What the composition root knows of the daemon and its processes, and the driver does not. */
export interface Facts {
  readonly version: string;
  /** A hash of the code that runs. */
  readonly build: string;
  /** Version of Node.js. */
  readonly node: string;
  /** Which iptables holds the rules; `off`: none are written. */
  readonly iptables: 'nft' | 'legacy' | 'off';
  readonly ip6tables: 'nft' | 'legacy' | 'off';
  /** The setting: `auto` writes rules by netlink where it can. */
  readonly ruleBackend: 'auto' | 'restore';
  /** How rules were committed since the start; null: none are written. */
  readonly ruleCommits: RuleCommitCounts | null;
  /** null: the process is not running; it starts with the first network. */
  readonly proxy: ProxyFacts | null;
  /** How long the event loop was held up at most since the start. */
  readonly longestStallMs: number;
  /** How far names of containers can be trusted. */
  readonly names: NamesSource;
  /** What the engine does not list any more: `tsbridge gc` tells whether it can go. */
  readonly forgotten: readonly Suspect[];
  /** What does not work as it should. */
  readonly problems: readonly Problem[];
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
  /** How many of them are of connectivity tests that run. */
  readonly testNetworks: number;
  readonly endpoints: number;
  readonly publishedPorts: number;
  /** Where packets wait for limits of traffic; `fifo`: the kernel has no fq_codel; `unknown`: no limit has shown it yet. */
  readonly limitQueue: WaitingIn;
  readonly repairs: RepairStatus;
  /** What {@link Operator.reconcile} would do now: how many changes, and the first of them. */
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
  /** Removes a network or an endpoint that the engine has forgotten; with `dryRun`, answers with what would go. */
  forget(name: string, dryRun: boolean): Promise<ForgottenNetwork | ForgottenEndpoint>;
  /** Removes what the engine's own lists prove to be forgotten; with `dryRun`, answers with what would go. */
  gc(dryRun: boolean): Promise<Collected>;
}

const shownDrift = 10;

export class HostOperator implements Operator {
  readonly #startedAt = new Date().toISOString();
  #state: Status['state'] = 'recovering';
  readonly #drift: Record<string, number> = {};

  constructor(
    private readonly world: World,
    private readonly repairs: () => RepairStatus,
    private readonly facts: () => Promise<Facts>,
    private readonly recovered: Promise<void>,
    private readonly concerns: readonly Concern[] = hostConcerns(world),
    /** undefined: the engine is never asked. */
    private readonly forgotten?: Pick<Forgotten, 'collect' | 'forgetEndpoint'>,
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
    const degraded = [...problems, ...undone(repairs)].map(({ text }) => text);
    let drift: string[] = [];
    if (this.#state === 'serving') {
      try {
        const { changes } = await this.reconcile(true);
        drift = Object.values(changes).flat();
        this.#tellDrift(changes);
      } catch (error) {
        degraded.push(`cannot compare the host with what should be there: ${messageOf(error)}`);
      }
    }
    // The problems are asked for after the comparison, since reading the rules may have brought some to light.
    degraded.push(...(await this.#standing()).map(({ text }) => text));
    return {
      ...facts,
      pid: process.pid,
      startedAt: this.#startedAt,
      state: this.#state,
      generation: rules.generationName,
      networks: registry.networks().length,
      testNetworks: registry.networks().filter(isLeased).length,
      endpoints: registry.endpoints().length,
      publishedPorts: registry
        .endpoints()
        .reduce((sum, { record }) => sum + hostPortsOf(record).length, 0),
      limitQueue: this.world.shaping.waitingIn,
      repairs,
      drift: { count: drift.length, first: drift.slice(0, shownDrift) },
      degraded,
    };
  }

  get state(): Status['state'] {
    return this.#state;
  }

  /** How many changes the last comparison found, by concern; 0 after a repair of the concern. */
  get drift(): Readonly<Record<string, number>> {
    return this.#drift;
  }

  /** What does not work, without a comparison of the host: it reads no rules. */
  async problems(): Promise<readonly Problem[]> {
    const { problems } = await this.facts();
    return [...problems, ...undone(this.repairs()), ...(await this.#standing())];
  }

  async #standing(): Promise<Problem[]> {
    const { registry, rules } = this.world;
    const standing: Problem[] = [
      ...rules.problems().map((text) => ({ reason: 'rules-incomplete' as const, text })),
      ...registry.unreadable
        .all()
        .map(({ reason: text }) => ({ reason: 'record-unreadable' as const, text })),
    ];
    for (const text of heldBackPorts(this.world)) standing.push({ reason: 'port-not-held', text });
    if (this.#state === 'failed') {
      const text = 'recovery failed: no call is served; see the log';
      standing.push({ reason: 'recovery-failed', text });
    }
    if (this.#state === 'serving') standing.push(...(await networksOnUplink(this.world)));
    return standing;
  }

  /** Tells telemetry of changes that the comparison before did not find. */
  #tellDrift(changes: Reconciliation['changes']): void {
    for (const [what, lines] of Object.entries(changes)) {
      const before = this.#drift[what] ?? 0;
      this.#drift[what] = lines.length;
      if (lines.length === 0 || lines.length === before) continue;
      const first = lines.slice(0, shownInEvent);
      this.world.telemetry.tell({ kind: 'drift', what, count: lines.length, first });
    }
  }

  /** Call it when a repair of the concern has ended: nothing of it differs then. */
  repaired(what: string): void {
    this.#drift[what] = 0;
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
      if (!dryRun && done !== 'too-early') this.repaired(concern.name);
    }
    return { dryRun, changes, forgotten: forgottenCandidates(this.world) };
  }

  async forget(name: string, dryRun: boolean): Promise<ForgottenNetwork | ForgottenEndpoint> {
    await this.recovered;
    try {
      return await forgetNetwork(this.world, name, dryRun);
    } catch (error) {
      const unknown = error instanceof DriverError && error.code === 'network-unknown';
      const { registry } = this.world;
      const isEndpoint = registry.endpoints().some(({ spec }) => spec.id.startsWith(name));
      if (!unknown || !isEndpoint) throw error;
      return this.#asking().forgetEndpoint(name, dryRun);
    }
  }

  async gc(dryRun: boolean): Promise<Collected> {
    await this.recovered;
    return this.#asking().collect(dryRun);
  }

  #asking(): Pick<Forgotten, 'collect' | 'forgetEndpoint'> {
    if (this.forgotten !== undefined) return this.forgotten;
    throw new DriverError(
      'network-busy',
      'nothing is proven: the daemon may not ask the engine (--docker-socket none)',
    );
  }
}

function undone(repairs: RepairStatus): Problem[] {
  return Object.entries(repairs).flatMap(([what, { steppedBack }]) =>
    steppedBack
      ? [
          {
            reason: 'repairs-undone' as const,
            text: `repairs of ${what} keep being undone, or fail: see the log`,
          },
        ]
      : [],
  );
}
