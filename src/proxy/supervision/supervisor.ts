/**
 * The daemon's side of the proxy process: what it is to hold, and that it holds it. After a request
 * whose answer did not come nothing is known of the process's state: every new connection begins with
 * the whole of what is wanted.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { background } from '../../background.js';
import { messageOf } from '../../core/errors.js';
import type { EndpointId } from '../../core/names.js';
import { bindingKey } from '../../core/ports/port.js';
import type { HostPorts, Listener, ListenFailure } from '../../driver/host.js';
import { type Reply, type Request, toWire } from '../control.js';
import { ConnectionLost, type Unsent, unavailable } from './connection.js';
import { type LauncherSettings, ProxyLauncher } from './launcher.js';
import { askStats, type ProxyStatus, statusMs } from './process-stats.js';
import type { Running } from './running-process.js';
import {
  type Differences,
  describeDifferences,
  failuresOf,
  WantedListeners,
} from './wanted-listeners.js';

export type SupervisorSettings = LauncherSettings;

/** Between attempts to bring a process back, or to hold what another program has: doubled each time. */
const retryMs = { first: 250, last: 10_000 };
/** How often a request is sent in all, if the process ends and another takes its place. */
const attempts = 2;

export class ProxySupervisor implements HostPorts {
  readonly #wanted = new WantedListeners();
  readonly #launcher: ProxyLauncher;
  #running: Promise<Running> | undefined;
  /** Listeners that the process should hold and, by its last answer, does not. */
  #unheld: readonly ListenFailure[] = [];
  /** Whether {@link #wanted} is all that is wanted; not before the first {@link sync}. */
  #complete = false;
  /** How often the process's state became unknown, and up to which of these times it was stated anew. */
  #doubts = 0;
  #statedDoubts = 0;
  #restating = false;
  #detached = false;
  #losses = 0;

  constructor(private readonly settings: SupervisorSettings) {
    this.#launcher = new ProxyLauncher(settings);
  }

  prepare(): void {
    this.#connect().catch((error) => {
      this.settings.log.warn({ error: messageOf(error) }, 'proxy process could not be started');
    });
  }

  async open(owner: EndpointId, listeners: readonly Listener[]): Promise<ListenFailure[]> {
    if (listeners.length === 0) return [];
    // From here on every statement of what is wanted has them: one may be made before the answer comes.
    const added = this.#wanted.add(owner, listeners);
    try {
      const wire = listeners.map(toWire);
      const reply = await this.#ask({ op: 'open', owner, listeners: wire });
      const failed = failuresOf(reply, listeners);
      const isNew = new Set(added);
      const mistaken = failed.map(({ listener }) => listener).filter((one) => isNew.has(one));
      if (mistaken.length > 0) this.#wanted.remove(owner, mistaken);
      return failed;
    } catch (error) {
      // The process may have opened them, or still do so.
      if (added.length > 0) this.#wanted.remove(owner, added);
      this.#doubt();
      throw error;
    }
  }

  async hold(owner: EndpointId, listeners: readonly Listener[]): Promise<ListenFailure[]> {
    this.#wanted.add(owner, listeners);
    try {
      const reply = await this.#ask({ op: 'open', owner, listeners: listeners.map(toWire) });
      const failed = failuresOf(reply, listeners);
      this.#unheld = [...this.#unheld, ...failed];
      return failed;
    } catch (error) {
      this.#doubt();
      throw error;
    }
  }

  async close(owner: EndpointId, listeners?: readonly Listener[]): Promise<void> {
    this.#wanted.remove(owner, listeners);
    // Also if nothing was known to be held: an `open` may have been carried out after all.
    if (await this.#isAbsent()) return;
    const some = listeners === undefined ? {} : { listeners: listeners.map(toWire) };
    try {
      await this.#ask({ op: 'close', owner, ...some });
    } catch (error) {
      this.#doubt();
      throw error;
    }
  }

  pauseUdp(owners: readonly EndpointId[]): Promise<void> {
    return this.#tellOfUdp('pause-udp', owners);
  }

  resumeUdp(owners: readonly EndpointId[]): Promise<void> {
    return this.#tellOfUdp('resume-udp', owners);
  }

  async #tellOfUdp(op: 'pause-udp' | 'resume-udp', owners: readonly EndpointId[]): Promise<void> {
    // A process that is not there has no flows.
    if (!(await this.#isAbsent())) await this.#ask({ op, owners });
  }

  async sync(
    wanted: ReadonlyMap<EndpointId, readonly Listener[]>,
    kept: ReadonlySet<EndpointId> = new Set(),
  ): Promise<ListenFailure[]> {
    const held = kept.size === 0 ? {} : await this.#held();
    this.#wanted.replace(wanted);
    this.#wanted.keep(kept, held);
    this.#complete = true;
    if (this.#wanted.empty && (await this.#isAbsent())) return [];
    try {
      await this.#state(await this.#connect());
    } catch (error) {
      this.#doubt();
      throw error;
    }
    return [...this.#unheld];
  }

  async differences(): Promise<string[]> {
    return describeDifferences(await this.#compare());
  }

  async repair(): Promise<string[]> {
    const before = await this.#compare();
    if (before.unwanted.length + before.missing.length === 0) return [];
    await this.#state(await this.#connect());
    const after = new Set(describeDifferences(await this.#compare()));
    return describeDifferences(before).filter((line) => !after.has(line));
  }

  /** What is wrong with the process and its ports, in words. */
  problems(): string[] {
    return this.#unheld.map(({ listener, code, syscall }) => {
      return `published port ${bindingKey(listener.binding)} is not held: ${syscall}: ${code}`;
    });
  }

  /** How often a process was lost that should have held ports. */
  get losses(): number {
    return this.#losses;
  }

  /** undefined if no process is running. Throws if it does not say. */
  async stats(waitMs = statusMs): Promise<ProxyStatus | undefined> {
    if (await this.#isAbsent()) return undefined;
    return askStats(this.#connect(), waitMs);
  }

  /** Closes the connection when the daemon stops. The process goes on, and holds the ports. */
  detach(): void {
    this.#detached = true;
    const closed = this.#running?.then(
      ({ connection }) => connection.close(),
      () => undefined,
    );
    background(this.settings.log, 'leaving the proxy process', async () => closed);
  }

  /** Nothing if the process does not say; the statement that follows tells why. */
  async #held(): Promise<NonNullable<Reply['owners']>> {
    return (await this.#ask({ op: 'list' }).catch((): Partial<Reply> => ({}))).owners ?? {};
  }

  async #compare(): Promise<Differences> {
    if (this.#wanted.empty && (await this.#isAbsent())) return { unwanted: [], missing: [] };
    const { owners = {} } = await this.#ask({ op: 'list' });
    return this.#wanted.compare(owners);
  }

  /** true: certainly no process runs, so none holds a port. */
  async #isAbsent(): Promise<boolean> {
    return this.#running === undefined && !(await this.#launcher.isRunning());
  }

  async #ask(request: Unsent<Request>): Promise<Reply> {
    for (let attempt = 1; ; attempt += 1) {
      const { connection } = await this.#connect();
      try {
        return await connection.ask(request);
      } catch (error) {
        const again = error instanceof ConnectionLost && attempt < attempts && !this.#detached;
        if (!again) throw unavailable(error);
      }
    }
  }

  /** @param ready what a new connection has to wait for */
  #connect(ready?: Promise<void>): Promise<Running> {
    if (this.#running !== undefined) return this.#running;
    const establish = async (): Promise<Running> => {
      await ready;
      return this.#establish();
    };
    const running = establish().catch((error) => {
      this.#running = undefined;
      throw unavailable(error);
    });
    this.#running = running;
    return running;
  }

  async #establish(): Promise<Running> {
    const running = await this.#launcher.establish();
    try {
      if (this.#mayState(running)) await this.#state(running);
    } catch (error) {
      running.connection.close();
      throw error;
    }
    running.connection.whenLost((error) => this.#lost(running, error));
    return running;
  }

  /**
   * Whether the process may be told to hold exactly what is wanted. Before recovery has read the records, a
   * process of an earlier daemon may hold ports that this one does not know yet.
   */
  #mayState({ fresh, takeOver }: Running): boolean {
    return (fresh && takeOver === undefined) || this.#complete;
  }

  /** States the whole of what is wanted. */
  async #state({ connection, takeOver }: Pick<Running, 'connection' | 'takeOver'>): Promise<void> {
    await takeOver?.();
    const doubts = this.#doubts;
    const all = this.#wanted.all().map(({ listener }) => listener);
    const reply = await connection.ask({ op: 'sync', owners: this.#wanted.toOwners() });
    this.#unheld = failuresOf(reply, all);
    this.#statedDoubts = doubts;
  }

  #lost(running: Running, error: ConnectionLost): void {
    const { log } = this.settings;
    const { pid } = running.about;
    this.#running = undefined;
    if (this.#detached) return;
    if (error.silent) {
      this.#connect(this.#launcher.endSilent(running.id)).catch((reason) => {
        log.error({ pid, error: messageOf(reason) }, 'the proxy process could not be replaced');
      });
    }
    if (this.#wanted.empty && !error.silent) return;
    log.error({ pid, error: error.message }, 'the proxy process is lost; its ports go to another');
    this.#losses += 1;
    this.#doubt();
  }

  /** What the process holds is not known, until all that is wanted has been stated. */
  #doubt(): void {
    this.#doubts += 1;
    if (this.#restating) return;
    this.#restating = true;
    const restated = this.#restate().finally(() => {
      this.#restating = false;
    });
    background(this.settings.log, 'restating what the proxy process holds', restated);
  }

  /** Never rejects. */
  async #restate(): Promise<void> {
    const { log } = this.settings;
    for (let wait = retryMs.first; !this.#detached; wait = Math.min(2 * wait, retryMs.last)) {
      try {
        if (this.#wanted.empty && (await this.#isAbsent())) return;
        const running = await this.#connect();
        if (!this.#mayState(running)) return;
        if (this.#statedDoubts < this.#doubts) await this.#state(running);
        if (this.#statedDoubts < this.#doubts) continue;
        log.info({ unheld: this.problems() }, 'the proxy process holds what it should');
        return;
      } catch (error) {
        log.error(
          { error: messageOf(error), retryMs: wait },
          'the proxy process did not come back',
        );
        await sleep(wait);
      }
    }
  }
}
