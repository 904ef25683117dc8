/** Finds the proxy process, replaces it if it hangs or runs other code, and starts one if there is none. */
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../core/errors.js';
import type { ProcessId } from '../../driver/host.js';
import { type About, controlVersion } from '../control.js';
import { ControlFolder, removeFile } from '../control-folder.js';
import { dial } from './connection.js';
import { type Running, RunningProcesses, type RunningSettings } from './running-process.js';

/** Starts a process that listens on `controlPath`, detached, so that it outlives the daemon. */
export type StartProcess = (controlPath: string) => {
  unref(): void;
  kill(signal: 'SIGKILL'): void;
  readonly ended: Promise<{ description: string }>;
};

export interface LauncherSettings extends RunningSettings {
  /** The link to the socket of the process that holds the ports. */
  readonly controlPath: string;
  readonly startProcess: StartProcess;
  /** What a process that this daemon starts says of itself. */
  readonly own: Pick<About, 'build' | 'node' | 'network'>;
  /** How long a process that this daemon has started may take until it answers; then the launcher kills it. */
  readonly startTimeoutMs: number;
}

const pollMs = 15;
/** The first version of the control protocol with `give`. */
const handsOver = 2;

export class ProxyLauncher {
  readonly #folder: ControlFolder;
  readonly #running: RunningProcesses;

  constructor(private readonly settings: LauncherSettings) {
    this.#folder = new ControlFolder(settings.controlPath);
    this.#running = new RunningProcesses(settings);
  }

  /** false only if certainly no process listens. */
  async isRunning(): Promise<boolean> {
    try {
      for (const path of [this.settings.controlPath, ...this.#folder.others()]) {
        const socket = await dial(path);
        socket?.destroy();
        if (socket !== undefined) return true;
      }
      return false;
    } catch {
      return true;
    }
  }

  /** Ends a process that does not answer. Throws if it is there afterwards. */
  endSilent(id: ProcessId | undefined): Promise<void> {
    return this.#running.endSilent(id);
  }

  /** The process that is there, if it can be used, else a new one. */
  async establish(): Promise<Running> {
    this.#folder.prepare();
    const found = await this.#find();
    const running = found === undefined ? await this.#start() : await this.#renew(found);
    if (running.takeOver === undefined) await this.#endOthers();
    return running;
  }

  /** The process to which the link leads; if the link was removed, any that listens in the folder. */
  async #find(): Promise<Running | undefined> {
    const { controlPath } = this.settings;
    const linked = await this.#running.greet(controlPath);
    if (linked !== undefined) return linked;
    for (const path of this.#folder.others()) {
      const running = await this.#running.greet(path);
      if (running === undefined) continue;
      this.#folder.choose(path);
      return running;
    }
    return undefined;
  }

  /** The process that was found, or a new one that has taken its place because it runs other code. */
  async #renew(found: Running): Promise<Running> {
    const { own, log } = this.settings;
    const { pid, build, node, network } = found.about;
    if (network !== own.network) return this.#replaceElsewhere(found);
    if (build === own.build && node === own.node) return found;
    log.info(
      { pid, build, node, newBuild: own.build, newNode: own.node },
      'the proxy process runs other code than this daemon: handing its sockets over to a new one',
    );
    if (found.version >= handsOver) {
      try {
        return await this.#handOver(found);
      } catch (error) {
        log.error({ pid, error: messageOf(error) }, 'handing over sockets failed');
        // The next start tries again.
        if (found.version === controlVersion) return found;
      }
    }
    found.connection.close();
    return this.#succeed(found.version);
  }

  /** A process that is ready, beside one that cannot hand over and serves until all is known. */
  async #succeed(version: number): Promise<Running> {
    const { controlPath, log } = this.settings;
    const { running, path } = await this.#launch();
    let done = false;
    const takeOver = async (): Promise<void> => {
      if (done) return;
      log.warn({ version }, 'the old proxy process gives its ports back, and a new one takes them');
      const old = await this.#running.reach(controlPath);
      if (old !== undefined) await this.#running.retire(old);
      this.#folder.choose(path);
      done = true;
      await this.#endOthers();
    };
    return { ...running, takeOver };
  }

  /** Replaces a process of another network namespace. If it holds ports there, that is an error instead. */
  async #replaceElsewhere(found: Running): Promise<Running> {
    const { connection, about } = found;
    const { listeners = 0, connections = 0 } = await connection.ask({ op: 'stats' });
    if (listeners + connections === 0) {
      await this.#running.retire(found);
      return this.#start();
    }
    connection.close();
    throw new Error(
      `process ${about.pid} holds ${listeners} ports in another network namespace (${about.network}, ` +
        `this is ${this.settings.own.network}): end it (kill ${about.pid}), or give this daemon ` +
        'another folder with --runtime-dir',
    );
  }

  async #start(): Promise<Running> {
    const { running, path, kill } = await this.#launch();
    try {
      this.#folder.choose(path);
    } catch (error) {
      running.connection.close();
      await kill();
      throw error;
    }
    return running;
  }

  /** Until the link changes, the old process serves all ports, so that a failure before that changes nothing. */
  async #handOver(old: Running): Promise<Running> {
    const { log } = this.settings;
    const { running, path, kill } = await this.#launch();
    try {
      await running.connection.ask({ op: 'receive', path: this.#folder.handover });
      const given = await old.connection.ask({ op: 'give', path: this.#folder.handover });
      const taken = await running.connection.ask({ op: 'adopt' });
      if (given.listeners !== taken.listeners) {
        throw new Error(`${given.listeners} sockets were given, ${taken.listeners} came`);
      }
      this.#folder.choose(path);
      log.info({ pid: running.about.pid, sockets: taken.listeners }, 'sockets handed over');
    } catch (error) {
      running.connection.close();
      await kill();
      throw error;
    }
    try {
      await this.#running.retire(old);
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'the old proxy process did not let go of its sockets');
    }
    // It holds what the old one held, which this daemon may not have asked for.
    return { ...running, fresh: false };
  }

  /** A process that answers on a path of its own, to which no link leads yet. */
  async #launch(): Promise<{ running: Running; path: string; kill: () => Promise<void> }> {
    const path = this.#folder.unused();
    const child = this.settings.startProcess(path);
    child.unref();
    let ended: string | undefined;
    const gone = child.ended.then(({ description }) => {
      ended = description;
    });
    const kill = async (): Promise<void> => {
      // Otherwise it would keep the path, and sockets that the next process needs.
      child.kill('SIGKILL');
      await Promise.race([gone, sleep(1_000)]);
      removeFile(path);
    };
    const deadline = performance.now() + this.settings.startTimeoutMs;
    for (;;) {
      let why = 'no process listens';
      try {
        const running = await this.#running.greet(path);
        if (running !== undefined) return { running: { ...running, fresh: true }, path, kill };
      } catch (error) {
        why = messageOf(error);
      }
      if (ended !== undefined) throw new Error(`it ended at once: ${ended}`);
      if (performance.now() > deadline) {
        await kill();
        throw new Error(`no answer on ${path}: ${why}`);
      }
      await sleep(pollMs);
    }
  }

  /** Ends processes that a daemon left when it crashed in a handover. A failure is tried again at the next start. */
  async #endOthers(): Promise<void> {
    for (const path of this.#folder.others()) {
      try {
        const other = await this.#running.reach(path);
        if (other === undefined) removeFile(path);
        else await this.#running.retire(other);
      } catch (error) {
        this.settings.log.warn(
          { path, error: messageOf(error) },
          'a proxy process that is not needed any more did not go',
        );
      }
    }
  }
}
