/**
 * Two hosts with the same engine; everything is done to both, once with the built-in driver and
 * once with tsbridge.
 */

import { type HostView, viewHost } from './host-view.js';
import { Lab, type LabOptions } from './lab.js';
import { expectMapped, viewMapped } from './mapped-view.js';
import type { Command, Step } from './scenario.js';
import type { Snapshot } from './snapshot.js';
import { type EngineVersion, SUITES } from './suites.js';
import { differences } from './view-diff.js';

export interface PairOptions extends Omit<LabOptions, 'suite'> {
  readonly engine: EngineVersion;
  /** What the daemon has to be told of the engine's options. */
  readonly tsbridgeArgs?: readonly string[];
  /** Ours have their ports in a map, and the other host is looked at as if it had. */
  readonly mapped?: boolean;
}

export interface StepOptions {
  /** Lines that match are no difference. */
  readonly except?: readonly RegExp[];
  readonly anyOrder?: boolean;
}

type Both = Record<'reference' | 'candidate', Snapshot>;

/** Links are deleted by the kernel in the background: for so long a difference may be there. */
const SETTLE_MS = 30_000;

export class Pair {
  /** Addresses that the user chose: all others are random from 28 on. */
  readonly #chosenMacs = new Set<string>();

  private constructor(
    readonly reference: Lab,
    readonly candidate: Lab,
    private readonly engine: EngineVersion,
    readonly driver: string,
    private readonly mapped: { readonly userlandProxy: boolean } | undefined,
  ) {}

  static async create(asked: PairOptions): Promise<Pair> {
    const { engine, tsbridgeArgs = [], mapped = false, ...options } = asked;
    // "bridge" shows whether the comparison itself is sound: then nothing may differ.
    const driver = process.env.PARITY_DRIVER ?? 'tsbridge';
    const labOptions = { ...options, suite: SUITES[engine] };
    const [reference, candidate] = await Promise.all([
      Lab.create(labOptions),
      Lab.create(labOptions),
    ]);
    if (driver === 'tsbridge') await candidate.spawnTsbridge([...tsbridgeArgs]);
    const userlandProxy = !tsbridgeArgs.includes('--userland-proxy=false');
    return new Pair(reference, candidate, engine, driver, mapped ? { userlandProxy } : undefined);
  }

  /** Does the step on both hosts; gives the lines in which they then differ. */
  async run(step: Step, options: StepOptions = {}): Promise<string[]> {
    const failures = await Promise.all([
      this.#do(step, this.reference, 'bridge'),
      this.#do(step, this.candidate, this.driver),
    ]);
    const wrong = failures.flatMap((failure, index) =>
      failure === undefined ? [] : [`${index === 0 ? '-' : '+'} ${failure}`],
    );
    if (wrong.length > 0) return wrong;
    for (const end = performance.now() + SETTLE_MS; ; ) {
      const [reference, candidate] = await Promise.all([
        this.#view(this.reference).then((view) =>
          this.mapped ? expectMapped(this.reference, view, this.mapped) : view,
        ),
        this.#view(this.candidate).then((view) =>
          this.mapped ? viewMapped(this.candidate, view) : view,
        ),
      ]);
      const found = differences(reference, candidate, options);
      if (found.length === 0 || performance.now() > end) return found;
    }
  }

  /** What went wrong: an error, or that there was none where there should have been. */
  async #do(step: Step, lab: Lab, driver: string): Promise<string | undefined> {
    const docker = (command: Command): Promise<unknown> => {
      const mac = command.indexOf('--mac-address');
      if (mac !== -1) this.#chosenMacs.add(command[mac + 1] ?? '');
      const own = driver === 'tsbridge' && this.mapped ? ['-o', 'tsbridge.port_rules=map'] : [];
      return lab.docker(
        ...command.flatMap((word) => (word === 'DRIVER' ? [driver, ...own] : [word])),
      );
    };
    const attempt = async (work: Promise<unknown>): Promise<string | undefined> => {
      try {
        await work;
        return undefined;
      } catch (error) {
        return `failed: ${error instanceof Error ? error.message : String(error)}`;
      }
    };
    if ('what' in step) return attempt(step.on(lab));
    if (!('refused' in step)) return attempt(docker(step));
    return (await attempt(docker(step.refused))) === undefined ? 'was not refused' : undefined;
  }

  async snapshot(): Promise<Both> {
    const [reference, candidate] = await Promise.all([
      this.reference.snapshot(),
      this.candidate.snapshot(),
    ]);
    return { reference, candidate };
  }

  /** What our driver has left since then and the built-in one has not (jumps, a policy). */
  async leftovers(before: Both): Promise<string[]> {
    for (const end = performance.now() + SETTLE_MS; ; ) {
      const [usual, left] = await Promise.all([
        this.reference.leftovers(before.reference, 0),
        this.candidate.leftovers(before.candidate, 0),
      ]);
      const differences = left
        .filter((line) => !usual.includes(line))
        // A daemon that starts is there twice while it runs a command.
        .filter((line) => !line.startsWith('- processes:'))
        // Docker up to 24 has it for IPv4 only (docs/differences.md).
        .filter((line) => this.engine !== '20.10' || !/^\+ rules6: .*DOCKER-USER/.test(line));
      if (differences.length === 0 || performance.now() > end) return differences;
    }
  }

  async #view(lab: Lab): Promise<HostView> {
    const view = await viewHost(lab);
    if (this.engine !== '28.5') return view;
    const hidden = (line: string): string =>
      line.replace(/\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b/g, (mac) =>
        this.#chosenMacs.has(mac) ? mac : '<a MAC address>',
      );
    const containers = Object.entries(view.containers);
    return {
      ...view,
      containers: Object.fromEntries(containers.map(([name, of]) => [name, of.map(hidden)])),
    };
  }

  /** Whether the kernel has SCTP: without it the built-in driver refuses such a port. */
  async hasSctp(): Promise<boolean> {
    const protocols = await this.reference.hostNs('cat', '/proc/net/protocols');
    return /^SCTP/m.test(protocols);
  }

  async dispose(): Promise<void> {
    await Promise.all([this.reference.dispose(), this.candidate.dispose()]);
  }
}
