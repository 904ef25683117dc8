/**
 * Keeps the names of containers and networks, by what the engine tells. Nobody waits for the engine: a question
 * is answered from memory. After a silence of the engine the last names stay, marked as stale.
 */
import { background } from '../../background.js';
import type { EngineContainer, EngineEvent } from '../../core/engine-lists.js';
import { messageOf } from '../../core/errors.js';
import type { ContainerId } from '../../core/names.js';
import { type Clock, systemClock } from '../../driver/clock.js';
import type { Engine } from '../../driver/engine.js';
import type { Log } from '../../driver/host.js';
import { type Telemetry, untold } from '../../driver/telemetry.js';
import { asOfNow } from './as-of.js';
import { KnownNames } from './known-names.js';
import { type Names, type NamesDocument, readNamesDocument } from './names.js';

/** Where names outlive the daemon, and where they come from when no engine has told any. */
export interface NamesFiles {
  /** undefined if there is none. */
  load(): Promise<unknown>;
  save(document: NamesDocument): Promise<void>;
  /** The engine's own files; empty if they cannot be read. */
  containers(): Promise<readonly EngineContainer[]>;
}

/** Milliseconds to wait for further events, which come in bunches: a start of a container makes four. */
const settleMs = 200;
/** The engine is asked again after this many times the time that its last answer took. */
const restFactor = 10;
/** Milliseconds between pings: an engine that hangs sends no event, and does not end the stream of events either. */
const pingMs = 15_000;
/** Milliseconds after which the whole list is read anew, in case that an event was lost. */
const wholeMs = 600_000;
const saveMs = 5_000;
const leastPauseMs = 1_000;
const mostPauseMs = 30_000;
/** If more containers than these have changed, the whole list is read in place of each of them. */
const mostSingly = 50;

export class NameService {
  readonly #known = new KnownNames();
  readonly #touched = new Set<ContainerId>();
  #networksTouched = false;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();
  /** Ends the present wait: when an event comes, and when the service stops. */
  #wake: () => void = () => undefined;
  #changed: () => void = () => undefined;
  #end: () => void = () => undefined;
  #pauseMs = leastPauseMs;
  #tookMs = 0;
  /** When the whole list was read, and when names were written to the disk. */
  #wholeAt = 0;
  #savedAt = 0;
  #unsaved = false;
  /** Why the engine is silent, once that was logged. */
  #silence: string | undefined;
  /** What was last told to telemetry; undefined before the engine was asked. */
  #told: 'current' | 'stale' | undefined;

  constructor(
    private readonly engine: Engine,
    private readonly files: NamesFiles,
    private readonly log: Log,
    private readonly clock: Clock = systemClock,
    private readonly telemetry: Telemetry = untold,
  ) {}

  /** Always what is known now: it changes with the engine's containers. */
  current(): Names {
    return this.#known;
  }

  document(): NamesDocument {
    return this.#known.document();
  }

  /** Why the engine does not tell names; undefined if it does. */
  problem(): string | undefined {
    return this.#silence;
  }

  /** @param listener is called whenever names were read; one for all */
  onChange(listener: () => void): void {
    this.#changed = listener;
  }

  start(): void {
    this.#running = this.#run();
    background(this.log, 'keeping the names of containers', this.#running);
  }

  /** Resolves when nothing is asked any more, and what is known is on the disk. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#end();
    this.engine.close();
    await this.#running.catch(() => undefined);
  }

  async #run(): Promise<void> {
    await this.#load();
    while (!this.#stopped) {
      try {
        await this.#follow();
        if (!this.#stopped) await this.#silent('it ended the list of events');
      } catch (error) {
        await this.#silent(messageOf(error));
      }
      if (this.#stopped) break;
      await this.#sleep(this.#pauseMs);
      this.#pauseMs = Math.min(2 * this.#pauseMs, mostPauseMs);
    }
    await this.#save(0);
  }

  async #follow(): Promise<void> {
    let over = false;
    // Events are followed before the lists are read, so that no change in between is missed.
    const watch = await this.engine.watch((event) => this.#note(event));
    background(
      this.log,
      'following events',
      watch.ended.then(() => {
        over = true;
        this.#wake();
      }),
    );
    try {
      await this.#readAll();
      await this.#save(saveMs);
      while (!(over || this.#stopped)) {
        if (!this.#hasTouched) await this.#sleep(this.#unsaved ? saveMs : pingMs);
        if (over || this.#stopped) return;
        if (this.#hasTouched) await this.#settle();
        if (this.#touched.size > mostSingly || this.clock.now() - this.#wholeAt > wholeMs) {
          await this.#readAll();
        } else if (this.#hasTouched) await this.#readTouched();
        else await this.engine.ping();
        this.#confirmed();
        await this.#save(saveMs);
      }
    } finally {
      watch.close();
    }
  }

  get #hasTouched(): boolean {
    return this.#networksTouched || this.#touched.size > 0;
  }

  #note(event: EngineEvent): void {
    if (event.kind === 'container') this.#touched.add(event.id);
    else this.#networksTouched = true;
    this.#wake();
  }

  /** Waits for the other events of a bunch: none of them ends this wait. */
  async #settle(): Promise<void> {
    const ms = Math.max(settleMs, restFactor * this.#tookMs);
    await this.#sleep(Math.min(ms, pingMs), 'to its end');
  }

  async #readAll(): Promise<void> {
    const began = this.clock.now();
    this.#touched.clear();
    this.#networksTouched = false;
    const containers = await this.engine.containers();
    const networks = await this.engine.networks();
    this.#known.forgetContainers();
    for (const container of containers) this.#known.setContainer(container);
    this.#known.setNetworks(networks);
    this.#wholeAt = this.clock.now();
    this.#tookMs = this.#wholeAt - began;
    this.#unsaved = true;
    this.#confirmed();
    this.#changed();
  }

  async #readTouched(): Promise<void> {
    const began = this.clock.now();
    const ids = [...this.#touched];
    const networks = this.#networksTouched;
    this.#touched.clear();
    this.#networksTouched = false;
    if (ids.length > 0) {
      const found = await this.engine.containers(ids);
      for (const id of ids) this.#known.removeContainer(id);
      for (const container of found) this.#known.setContainer(container);
    }
    if (networks) this.#known.setNetworks(await this.engine.networks());
    this.#tookMs = this.clock.now() - began;
    this.#unsaved = true;
    this.#changed();
  }

  #confirmed(): void {
    this.#pauseMs = leastPauseMs;
    if (this.#silence !== undefined) this.log.info({}, 'the engine tells names again');
    this.#silence = undefined;
    this.#known.trust({ from: 'docker', asOf: asOfNow(), stale: false });
    this.#tell('current', 'the engine tells names');
  }

  #tell(state: 'current' | 'stale', text: string): void {
    if (this.#told === state) return;
    this.#told = state;
    this.telemetry.tell({ kind: 'names', state, text });
  }

  /** The last names are kept; where there are none, those of the engine's files are taken. */
  async #silent(reason: string): Promise<void> {
    if (this.#silence === undefined) {
      this.log.info({ reason }, 'the engine does not tell names; the last ones are kept');
    }
    this.#silence = reason;
    this.#tell('stale', `the engine does not tell names: ${reason}`);
    const { from, asOf } = this.#known;
    if (from === 'docker') {
      // Names are saved before telemetry is told: the daemon may be killed while the engine is silent.
      await this.#save(0);
      this.#known.trust({ from, asOf, stale: true });
    } else {
      const containers = await this.files.containers();
      if (containers.length === 0) return;
      this.#known.load({ ...this.#known.document(), containers: [], networks: [] });
      for (const container of containers) this.#known.setContainer(container);
      this.#known.setNetworks(networksIn(containers));
      this.#known.trust({ from: 'files', asOf: asOfNow(), stale: true });
    }
    await this.#save(saveMs);
  }

  async #load(): Promise<void> {
    try {
      const saved = await this.files.load();
      if (saved === undefined) return;
      this.#known.load({ ...readNamesDocument(saved), stale: true });
    } catch (error) {
      this.log.warn({ error: messageOf(error) }, 'the last names could not be read');
    }
  }

  /** Saves the names. @param leastMs nothing is done if the last time was less than so many milliseconds ago */
  async #save(leastMs: number): Promise<void> {
    if (!this.#unsaved || this.clock.now() - this.#savedAt < leastMs) return;
    this.#unsaved = false;
    this.#savedAt = this.clock.now();
    try {
      await this.files.save(this.#known.document());
    } catch (error) {
      this.log.debug({ error: messageOf(error) }, 'names could not be written');
    }
  }

  #sleep(ms: number, how: 'until an event' | 'to its end' = 'until an event'): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.clock.setTimeout(resolve, ms);
      this.#end = () => {
        this.clock.clearTimeout(timer);
        resolve();
      };
      this.#wake = how === 'until an event' ? this.#end : () => undefined;
    });
  }
}

/** The networks that containers name; the engine's own list of networks is not at hand. */
function networksIn(containers: readonly EngineContainer[]) {
  return containers.flatMap(({ attachments }) =>
    attachments.flatMap(({ network, networkName }) =>
      network === undefined ? [] : { id: network, name: networkName },
    ),
  );
}
