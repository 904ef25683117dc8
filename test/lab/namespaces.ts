/**
 * The namespaces of a lab: made by `init.sh`, held by its PID 1, gone with it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { childrenOf, LAB_ENV } from './process.js';

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const CGROUPS = '/sys/fs/cgroup';
const PREFIX = 'tsbridge-lab-';

let counter = 0;

export interface NamespaceOptions {
  /** Path of an engine root, as `scripts/engine-root` prints it. */
  root: string;
  iptables: 'nft' | 'legacy';
  /** Whether the host forwards packets before any engine or driver ran. */
  forwarding: boolean;
  /** Engine roots that the host can be upgraded to, by suite. */
  upgrades?: Readonly<Record<string, string>>;
}

/** Where a command runs: the throwaway host, the second host, or a container of that process id. */
export type Place = 'host' | 'lan' | { containerPid: number };

export class Namespaces {
  /** Unique among the labs of this machine, and tells whose it is: `tsbridge-lab-PID-N`. */
  readonly name: string;
  /** A directory of the machine's for logs; removed with the lab. */
  readonly directory: string;
  /** PID 1 of the lab, in the machine's numbering. */
  readonly init: number;
  readonly #holder: ChildProcess;

  private constructor(name: string, directory: string, holder: ChildProcess, init: number) {
    this.name = name;
    this.directory = directory;
    this.#holder = holder;
    this.init = init;
  }

  static async create(options: NamespaceOptions): Promise<Namespaces> {
    sweep();
    counter += 1;
    const name = `${PREFIX}${process.pid}-${counter}`;
    const directory = mkdtempSync(join(tmpdir(), `${name}-`));
    const holder = spawn(
      'unshare',
      [
        ...['--mount', '--pid', '--net', '--uts', '--ipc', '--fork', '--kill-child=KILL'],
        ...['bash', join(REPOSITORY, 'test/lab/init.sh'), options.root, directory],
        ...[process.execPath, REPOSITORY, options.iptables, options.forwarding ? '1' : '0'],
        ...Object.entries(options.upgrades ?? {}).map(([suite, root]) => `${suite}=${root}`),
      ],
      { stdio: ['pipe', 'pipe', 'pipe'], env: LAB_ENV },
    );
    try {
      await ready(holder);
      const init = holder.pid === undefined ? undefined : childrenOf(holder.pid)[0];
      if (init === undefined) throw new Error('the first process of the lab is not there');
      return new Namespaces(name, directory, holder, init);
    } catch (error) {
      holder.kill('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** A path of the throwaway host's file system, as the machine reaches it. */
  path(inside: string): string {
    return join(`/proc/${this.init}/root`, inside);
  }

  /** The file of a network namespace, as the machine reaches it. */
  netns(place: Place): string {
    if (place === 'host') return `/proc/${this.init}/ns/net`;
    if (place === 'lan') return this.path('/run/netns/lan');
    return this.path(`/proc/${place.containerPid}/ns/net`);
  }

  /** The command line that runs `command` there, with the throwaway host's file system. */
  enter(place: Place, command: readonly string[]): string[] {
    const target = ['nsenter', '-t', String(this.init), '-m', '-p', '-u', '-i'];
    return [...target, `--net=${this.netns(place)}`, '--', ...command];
  }

  /** Ends every process of the lab; with them go its mounts, links and namespaces. */
  async dispose(): Promise<void> {
    const gone = new Promise<void>((resolve) => {
      if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) resolve();
      else this.#holder.once('exit', () => resolve());
    });
    this.kill();
    await gone;
    removeCgroups(this.name, 20_000);
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** The same at once, for the end of the owner: what stays is for the next {@link sweep}. */
  kill(): void {
    // By the pipe and not by number: a number could belong to another process by now.
    this.#holder.stdin?.destroy();
    this.#holder.kill('SIGKILL');
  }
}

/** Resolves when `init.sh` says so; rejects with what it wrote if it ends before. */
function ready(holder: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    holder.stdin?.on('error', () => {});
    holder.stdout?.setEncoding('utf8').on('data', (part: string) => {
      if (part.includes('ready')) resolve();
    });
    holder.stderr?.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    holder.once('error', reject);
    holder.once('exit', (status) => reject(new Error(`init.sh ended with ${status}: ${text}`)));
  });
}

/** Removes what labs left whose owner is dead: their directories and cgroups. */
export function sweep(): void {
  const dead = (name: string): boolean => {
    const owner = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    return owner !== undefined && !existsSync(`/proc/${owner}`);
  };
  for (const name of readdirSync(tmpdir()).filter(dead)) {
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
  const groups = cgroupFolders().flatMap((folder) => readdirSync(folder));
  // One whose last process has not ended yet is for the next lab: it is no fault of this one.
  for (const name of new Set(groups.filter(dead))) removeCgroups(name, 0);
}

/** The roots of the cgroup hierarchies: one with v2, one a controller with v1. */
function cgroupFolders(): string[] {
  if (!existsSync(CGROUPS)) return [];
  const inside = readdirSync(CGROUPS, { withFileTypes: true }).filter((e) => e.isDirectory());
  return [CGROUPS, ...inside.map((entry) => join(CGROUPS, entry.name))];
}

/** @param patienceMs how long the last process of a cgroup may take to end; nothing is thrown for 0 */
function removeCgroups(name: string, patienceMs: number): void {
  const end = performance.now() + patienceMs;
  const remove = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) remove(join(folder, entry.name));
    }
    // rmdir: the files in a cgroup go with it. Busy while its last process ends.
    for (;;) {
      try {
        rmdirSync(folder);
        return;
      } catch (error) {
        if (performance.now() > end) {
          if (patienceMs === 0) return;
          throw error;
        }
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
      }
    }
  };
  for (const folder of cgroupFolders()) {
    const group = join(folder, name);
    if (existsSync(group)) remove(group);
  }
}
