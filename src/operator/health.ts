/**
 * Whether the daemon really answers, found out by asking: the kernel over netlink, and the process that holds
 * published ports. One loop for all who want to know: it tells what got worse and better, and feeds systemd's
 * watchdog only after both answers. A process that does not run, because nothing is published, needs to answer
 * nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { awaitedLater, background } from '../background.js';
import { messageOf } from '../core/errors.js';
import { type Clock, systemClock } from '../driver/clock.js';
import type { Log } from '../driver/host.js';
import type { Telemetry } from '../driver/telemetry.js';
import type { Problem } from './problems.js';

export interface HealthParts {
  /** Something small that the kernel answers over netlink. */
  askKernel(): Promise<unknown>;
  /** What does not work, without a comparison of the host; asks the process that holds ports. */
  problems(): Promise<readonly Problem[]>;
  state(): 'recovering' | 'serving' | 'failed';
  /** Whether the records are this daemon's alone. */
  isLocked(): Promise<boolean>;
  /** Called after a round in which everybody has answered. */
  heartbeat?(): void;
  readonly telemetry: Telemetry;
  readonly log: Log;
}

export interface Check {
  readonly name: 'netlink' | 'proxy' | 'state' | 'records';
  readonly ok: boolean;
  readonly text: string;
}

export interface HealthReport {
  readonly ok: boolean;
  readonly checks: readonly Check[];
}

export interface HealthTiming {
  /** From one round to the next. */
  readonly periodMs: number;
  /** After a round in which somebody did not answer. */
  readonly againMs: number;
  /** How long the kernel may take. */
  readonly netlinkMs: number;
}

export const defaultHealthTiming: HealthTiming = {
  periodMs: 10_000,
  againMs: 1_000,
  netlinkMs: 2_000,
};

export class Health {
  #problems: readonly Problem[] = [];
  #timer: unknown;
  #stopped = false;

  constructor(
    private readonly parts: HealthParts,
    private readonly timing: HealthTiming = defaultHealthTiming,
    private readonly clock: Clock = systemClock,
  ) {}

  /** As the last round found them. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  start(): void {
    background(this.parts.log, 'a check of the health', this.#loop());
  }

  stop(): void {
    this.#stopped = true;
    this.clock.clearTimeout(this.#timer);
  }

  /** Whether the event loop turns and the kernel answers. */
  async live(): Promise<HealthReport> {
    return reportOf([await this.#netlink()]);
  }

  /** Whether calls are served, by this daemon alone, and published ports are looked after. */
  async ready(): Promise<HealthReport> {
    const [netlink, problems, locked] = await Promise.all([
      this.#netlink(),
      this.#find(),
      this.parts.isLocked(),
    ]);
    const state = this.parts.state();
    return reportOf([
      netlink,
      { name: 'state', ok: state === 'serving', text: state },
      {
        ...{ name: 'records', ok: locked },
        text: locked ? 'locked by this daemon' : 'the lock of the state folder was taken away',
      },
      proxyCheck(problems),
    ]);
  }

  /** One round. Answers with whether everybody has answered. Never rejects. */
  async round(): Promise<boolean> {
    const [netlink, found] = await Promise.all([this.#netlink(), this.#find()]);
    const silent: Problem = { reason: 'netlink-silent', text: netlink.text };
    this.#compare(netlink.ok ? found : [...found, silent]);
    if (this.#stopped || !netlink.ok || !proxyCheck(found).ok) return false;
    try {
      this.parts.heartbeat?.();
    } catch (error) {
      this.parts.log.warn(
        { error: messageOf(error) },
        'systemd could not be told that all is well',
      );
    }
    return true;
  }

  async #loop(): Promise<void> {
    const { periodMs, againMs } = this.timing;
    while (!this.#stopped) {
      const answered = await this.round();
      if (this.#stopped) return;
      const wait = answered ? periodMs : Math.min(againMs, periodMs);
      await new Promise<void>((resolve) => {
        this.#timer = this.clock.setTimeout(resolve, wait);
      });
    }
  }

  async #netlink(): Promise<Check> {
    const name = 'netlink' as const;
    const { netlinkMs } = this.timing;
    const asked = this.parts.askKernel().then(() => undefined);
    awaitedLater(asked);
    try {
      const late = sleep(netlinkMs, 'late', { ref: false });
      if ((await Promise.race([asked, late])) === undefined) {
        return { name, ok: true, text: 'the kernel answers' };
      }
      return { name, ok: false, text: `the kernel did not answer within ${netlinkMs / 1_000} s` };
    } catch (error) {
      return { name, ok: false, text: `asking the kernel: ${messageOf(error)}` };
    }
  }

  async #find(): Promise<readonly Problem[]> {
    try {
      return await this.parts.problems();
    } catch (error) {
      const text = `how the daemon is could not be found out: ${messageOf(error)}`;
      return [{ reason: 'comparison-failed', text }];
    }
  }

  /** Tells what is new, and what is over. */
  #compare(found: readonly Problem[]): void {
    const { telemetry } = this.parts;
    for (const { reason, text } of unlike(found, this.#problems)) {
      telemetry.tell({ kind: 'degraded', reason, text });
    }
    for (const { reason, text } of unlike(this.#problems, found)) {
      telemetry.tell({ kind: 'recovered', reason, text });
    }
    this.#problems = found;
  }
}

/**
 * Those of `problems` that the `others` do not have. A reason that stands once in both is one problem, whatever
 * its words: a process first does not answer, and then has ended.
 */
function unlike(problems: readonly Problem[], others: readonly Problem[]): readonly Problem[] {
  const count = (list: readonly Problem[], wanted: Problem['reason']) =>
    list.filter(({ reason }) => reason === wanted).length;
  return problems.filter(
    ({ reason, text }) =>
      !others.some((other) => other.text === text) &&
      !(count(problems, reason) === 1 && count(others, reason) === 1),
  );
}

function proxyCheck(problems: readonly Problem[]): Check {
  const silent = problems.find(({ reason }) => reason === 'proxy-silent');
  return {
    ...{ name: 'proxy', ok: silent === undefined },
    text: silent?.text ?? 'the process that holds published ports answers, or need not run',
  };
}

function reportOf(checks: readonly Check[]): HealthReport {
  return { ok: checks.every(({ ok }) => ok), checks };
}
