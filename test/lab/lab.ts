/**
 * A throwaway host with a real Docker engine, and a second host beside it.
 *
 * ```
 *   lan  192.0.2.2, 2001:db8:0:2::2 ── eth0 ── eth0 ── 192.0.2.1, 2001:db8:0:2::1  host: dockerd
 *   and "the world" behind it: 198.51.100.1, 2001:db8:ffff::1 (the host's default route)
 * ```
 * Nothing touches the machine's own network; nothing stays when the lab, or its owner, ends.
 */
import { execFile } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Inspected, listeners, type RunContainer, runArguments } from './container.js';
import { Engine, type EngineOptions } from './engine.js';
import { Namespaces, type Place, REPOSITORY } from './namespaces.js';
import { ended, endWithOwner } from './owner.js';
import { type LabProcess, type RunOptions, run, until } from './process.js';
import { diffSnapshots, type Snapshot, saveRules, snapshot } from './snapshot.js';
import { type Answer, type AskOptions, ask, askCommand, serve } from './traffic.js';
import { Tsbridge } from './tsbridge.js';

export type Suite =
  | 'bookworm'
  | 'bookworm-firewalld'
  | 'bookworm-frr'
  | 'trixie'
  | 'forky'
  | 'forky-frr';

/** Addresses of a lab; see the picture above. */
export const ADDRESSES = {
  host: '192.0.2.1',
  host6: '2001:db8:0:2::1',
  lan: '192.0.2.2',
  lan6: '2001:db8:0:2::2',
  world: '198.51.100.1',
  world6: '2001:db8:ffff::1',
} as const;

export interface LabOptions extends EngineOptions {
  /** Docker 20.10, 26.1 or 28.5. */
  suite?: Suite;
  /** What {@link Lab.upgrade} can upgrade it to. */
  upgrades?: readonly Suite[];
  /** Which iptables the host's `iptables` is. */
  iptables?: 'nft' | 'legacy';
  /** Whether the host forwards before anything ran (default: no, as on a fresh machine). */
  forwarding?: boolean;
  /** `false`: do not start dockerd yet; {@link Lab.startDockerd} does. */
  dockerd?: boolean;
}

export class Lab {
  readonly suite: Suite;
  readonly namespaces: Namespaces;
  readonly engine: Engine;
  readonly #daemons: Tsbridge[] = [];

  private constructor(suite: Suite, namespaces: Namespaces, engine: Engine) {
    this.suite = suite;
    this.namespaces = namespaces;
    this.engine = engine;
  }

  /** Makes the lab and starts its engine; the first time, the engine's root is built. */
  static async create(options: LabOptions = {}): Promise<Lab> {
    const { suite = 'bookworm', iptables = 'nft', forwarding = false } = options;
    const root = await engineRoot(suite);
    const upgrades: Record<string, string> = {};
    for (const later of options.upgrades ?? []) upgrades[later] = await engineRoot(later);
    const namespaces = await Namespaces.create({ root, iptables, forwarding, upgrades });
    const lab = new Lab(suite, namespaces, new Engine(namespaces, options));
    endWithOwner(lab);
    try {
      if (options.dockerd !== false) await lab.engine.start();
    } catch (error) {
      lab.printLogs();
      await lab.dispose();
      throw error;
    }
    return lab;
  }

  /** The engine's own client: output without the last newline; throws {@link CommandError}. */
  docker(...args: string[]): Promise<string> {
    return this.engine.docker(...args);
  }

  /** A request to the engine's API: the parsed answer; throws {@link ApiError}. */
  api<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    return this.engine.api<T>(method, path, body);
  }

  startDockerd(options?: EngineOptions): Promise<void> {
    return this.engine.start(options);
  }

  /** Ends dockerd (SIGKILL: at once, without any clean-up) and waits for its end. */
  killDockerd(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    return this.engine.stop(signal);
  }

  async restartDockerd(options?: EngineOptions): Promise<void> {
    await this.engine.stop();
    await this.engine.start(options);
  }

  /** As a distribution does it: the engine is stopped, its programs are replaced, it starts again. */
  async upgrade(suite: Suite): Promise<void> {
    await this.engine.stop();
    await this.hostNs('/opt/tsbridge/test/lab/upgrade.sh', suite);
    await this.engine.start();
  }

  /** `docker run -d` of the one image; gives the container's id. */
  async run(container: RunContainer = {}): Promise<string> {
    const id = await this.docker(...runArguments(container));
    if (container.serve !== undefined) await this.listening(id);
    return id;
  }

  /** Waits until a container that serves has all of its sockets, also after a restart. */
  async listening(container: string): Promise<void> {
    await until(`container ${container} to serve`, async () => {
      const { Args, State } = await this.inspect(container);
      const open = listeners(this.path(`/proc/${State.Pid}/net`));
      const wanted = Args.filter((word) => /^(tcp|udp)\/\d+/.test(word));
      return (State.Running && wanted.every((port) => open.has(port))) || undefined;
    });
  }

  inspect(container: string): Promise<Inspected> {
    return this.api('GET', `/containers/${container}/json`);
  }

  /** The place of a running container, for {@link ask}, {@link serve} and {@link exec}. */
  async container(name: string): Promise<Place> {
    return { containerPid: (await this.inspect(name)).State.Pid };
  }

  /** Runs a command with the host's files and, unless another place is given, its network. */
  exec(command: readonly string[], place: Place = 'host', options?: RunOptions): Promise<string> {
    return run(this.namespaces.enter(place, command), options);
  }

  hostNs(...command: string[]): Promise<string> {
    return this.exec(command, 'host');
  }

  lanNs(...command: string[]): Promise<string> {
    return this.exec(command, 'lan');
  }

  /**
   * Asks a server of {@link serve} or {@link run}, once; throws if it does not answer. With the
   * place of a container it is the container's network that is used, but the host's /etc: names
   * are resolved by {@link askIn}.
   */
  ask(from: Place, host: string, port: number, options?: AskOptions): Promise<Answer> {
    return ask(this.namespaces, from, host, port, options);
  }

  /** Asks from inside a container that {@link run} started, where names of others work, too. */
  async askIn(
    container: string,
    host: string,
    port: number,
    options?: AskOptions,
  ): Promise<Answer> {
    const answer = await this.docker('exec', container, ...askCommand(host, port, options));
    return JSON.parse(answer) as Answer;
  }

  /** Starts a server (`tcp/80`, `udp/53@198.51.100.1`, …) at a place; kill it when done. */
  serve(place: Place, ...ports: string[]): Promise<LabProcess> {
    return serve(this.namespaces, place, ports);
  }

  /** Starts the driver's daemon on the host; resolves when its socket answers. */
  async spawnTsbridge(
    args: readonly string[] = [],
    env: Record<string, string> = {},
  ): Promise<Tsbridge> {
    const daemon = await Tsbridge.start(this.namespaces, args, env);
    this.#daemons.push(daemon);
    return daemon;
  }

  /** Ends the daemon that was started last; the others are not touched. */
  async killTsbridge(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    const daemon = this.#daemons.pop();
    if (daemon === undefined) throw new Error('no tsbridge daemon was started');
    return await daemon.kill(signal);
  }

  /**
   * `iptables-save` of the host, without counters and comments. It is repeated if it shows rules by which a daemon that
   * starts learns what iptables writes: a dump amid the kernel's commit may show rules that this commit adds and deletes.
   */
  saveRules(family: 4 | 6 = 4): Promise<string[]> {
    return until('the rules without those of a probe', async () => {
      const rules = await saveRules(this.namespaces, family);
      return rules.some((rule) => rule.includes('TSBRIDGE-PROBE')) ? undefined : rules;
    });
  }

  snapshot(): Promise<Snapshot> {
    return snapshot(this.namespaces);
  }

  /** What is left (or missing) compared with `before`, once it stops changing for the better. */
  async leftovers(before: Snapshot, timeoutMs = 30_000): Promise<string[]> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const differences = diffSnapshots(before, await this.snapshot());
      // The engine's helpers end a moment after the call that they worked for.
      if (differences.length === 0 || performance.now() > end) return differences;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** A file or socket of the host, as the machine reaches it. */
  path(inside: string): string {
    return this.namespaces.path(inside);
  }

  /** What dockerd and the driver wrote last, on stderr: for tests that failed. */
  printLogs(lineCount = 40): void {
    for (const file of ['dockerd.log', 'tsbridge.log']) {
      try {
        const text = readFileSync(join(this.namespaces.directory, file), 'utf8').trimEnd();
        // containerd and gRPC tell a lot about their own start.
        const told = text
          .split('\n')
          .filter((line) => !/loading plugin|\[core\]|cri plugin/.test(line));
        const last = told.slice(-lineCount);
        process.stderr.write(`--- ${file}\n${last.join('\n')}\n`);
      } catch {
        // Not started.
      }
    }
  }

  /** Adds a line to the logs of the lab: what a test did when. */
  mark(text: string): void {
    appendFileSync(this.engine.logFile, `--- ${text}\n`);
  }

  /** {@link dispose} without waiting, for the last moment of the owner. */
  kill(): void {
    this.namespaces.kill();
  }

  async dispose(): Promise<void> {
    ended(this);
    for (const daemon of this.#daemons) daemon.close();
    this.engine.close();
    await this.namespaces.dispose();
  }
}

/** Built the first time. */
export async function engineRoot(suite: Suite | 'bullseye'): Promise<string> {
  const builder = join(REPOSITORY, 'scripts/engine-root');
  return (await promisify(execFile)(builder, [suite])).stdout.trim();
}
