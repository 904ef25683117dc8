/**
 * dockerd in a lab: start, stop, its command line client and its API.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UnixHttp } from './http.js';
import type { Namespaces } from './namespaces.js';
import { LabProcess, type RunOptions, run, until } from './process.js';

/** The one image there is: busybox, imported from a tar of the engine's root. */
export const IMAGE = 'busybox';

export interface EngineOptions {
  /** More arguments for dockerd, for example `--userland-proxy=false`. */
  dockerdArgs?: readonly string[];
  /** Containers survive the end of dockerd. */
  liveRestore?: boolean;
}

export class Engine {
  readonly #namespaces: Namespaces;
  #options: EngineOptions;
  #process: LabProcess | undefined;
  #http: UnixHttp;

  constructor(namespaces: Namespaces, options: EngineOptions) {
    this.#namespaces = namespaces;
    this.#options = options;
    this.#http = new UnixHttp(namespaces.path('/run/docker.sock'));
  }

  get logFile(): string {
    return join(this.#namespaces.directory, 'dockerd.log');
  }

  get process(): LabProcess {
    if (this.#process === undefined) throw new Error('dockerd was not started');
    return this.#process;
  }

  /** Starts dockerd and waits until it answers; the first time the image is imported, too. */
  async start(options: EngineOptions = this.#options): Promise<void> {
    this.#options = options;
    this.#http.close();
    this.#http = new UnixHttp(this.#namespaces.path('/run/docker.sock'));
    const command = [
      'dockerd',
      // So that labs at work at the same time can tell their cgroups apart, and remove them.
      `--cgroup-parent=/${this.#namespaces.name}`,
      '--exec-opt=native.cgroupdriver=cgroupfs',
      // /var/lib/docker is a tmpfs, where overlay2 works and vfs would copy the image each time.
      '--storage-driver=overlay2',
      '--shutdown-timeout=2',
      ...(options.liveRestore === true ? ['--live-restore'] : []),
      ...(options.dockerdArgs ?? []),
    ];
    const daemon = new LabProcess(this.#namespaces.enter('host', command), this.logFile, {}, 'own');
    this.#process = daemon;
    await until(
      'dockerd to answer',
      async () => {
        if (daemon.ended) throw new Error(`dockerd ended:\n${daemon.lines.slice(-20).join('\n')}`);
        if (!existsSync(this.#namespaces.path('/run/docker.sock'))) return undefined;
        return await this.api('GET', '/_ping').then(
          () => true,
          () => undefined,
        );
      },
      60_000,
    );
    const images = await this.api<unknown[]>('GET', '/images/json');
    if (images.length === 0) {
      await this.docker('import', '-c', 'CMD ["sleep","86400"]', '/opt/image.tar', IMAGE);
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.process.kill(signal);
    this.#http.close();
  }

  /** The engine's own client; gives its output without the last newline. */
  async docker(...args: string[]): Promise<string> {
    return (await this.dockerWith({}, ...args)).replace(/\n$/, '');
  }

  dockerWith(options: RunOptions, ...args: string[]): Promise<string> {
    return run(this.#namespaces.enter('host', ['docker', ...args]), {
      timeoutMs: 120_000,
      ...options,
    });
  }

  /** A request to the engine's API, as directly as possible: this is what timings are taken of. */
  api<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    return this.#http.call<T>(method, path, body);
  }

  close(): void {
    this.#http.close();
  }
}
