/**
 * Running commands: short ones to their end, long ones under supervision.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createWriteStream, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { slowness } from '../process/slowness.js';

/** A command that ended with another status than 0, or by a signal. */
export class CommandError extends Error {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | string | null;

  constructor(
    command: readonly string[],
    status: number | string | null,
    out: string,
    err: string,
  ) {
    super(`${command.join(' ')}: status ${status}\n${err.trim() || out.trim()}`);
    this.name = 'CommandError';
    this.stdout = out;
    this.stderr = err;
    this.status = status;
  }
}

export interface RunOptions {
  /** Text for the standard input; without it the input is empty. */
  input?: string;
  /** Milliseconds until the command is killed (60 s unless given). */
  timeoutMs?: number;
  env?: Record<string, string>;
}

/** The environment of everything in a lab: nothing of the machine's own. */
export const LAB_ENV = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
};

/**
 * Starts node in a lab. The test runner puts its own loader into NODE_OPTIONS of every child,
 * whatever environment it is given; inside the lab that file does not exist.
 */
export const NODE = ['env', '-u', 'NODE_OPTIONS', '/usr/bin/node'];

/** Runs a command and gives its standard output; a failure throws {@link CommandError}. */
export function run(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const [file = '', ...args] = command;
  return new Promise((resolve, reject) => {
    const child = execFile(
      file,
      args,
      {
        timeout: options.timeoutMs ?? 60_000,
        killSignal: 'SIGKILL',
        maxBuffer: 64 << 20,
        env: { ...LAB_ENV, ...options.env },
      },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else {
          const status = error.killed ? 'timeout' : (error.code ?? error.signal ?? null);
          reject(new CommandError(command, status, stdout, stderr));
        }
      },
    );
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
  });
}

/** The process ids (in the machine's numbering) of a process's children. */
export function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Calls `probe` until it gives something else than undefined; throws after `timeoutMs`. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  // Far longer than anything takes on a host that is idle: a busy one can be twenty times as slow.
  timeoutMs = 60_000 * slowness,
  everyMs = 20,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await sleep(everyMs);
  }
}

/**
 * A long-running command that was started through `nsenter` into a lab's pid namespace.
 *
 * nsenter has to fork to get there and passes no signals on: {@link LabProcess.kill} therefore
 * goes to its child, the command itself.
 */
export class LabProcess {
  /** Everything it wrote so far, by lines. */
  readonly lines: string[] = [];
  /** How it ended: exit status or signal name. */
  readonly exited: Promise<number | string>;
  ended = false;
  readonly #child: ChildProcess;
  #pid: number | undefined;

  /** @param session `own`: what stops it (SIGSTOP) does not reach the process group of the test */
  constructor(
    command: readonly string[],
    logFile: string,
    env: Record<string, string> = {},
    session: 'own' | 'shared' = 'shared',
  ) {
    const [file = '', ...args] = command;
    const log = createWriteStream(logFile, { flags: 'a' });
    this.#child = spawn(file, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...LAB_ENV, ...env },
      detached: session === 'own',
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      let rest = '';
      stream?.setEncoding('utf8').on('data', (text: string) => {
        log.write(text);
        const parts = (rest + text).split('\n');
        rest = parts.pop() ?? '';
        this.lines.push(...parts);
      });
    }
    this.exited = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        this.ended = true;
        resolve(error.message);
      });
      this.#child.once('exit', (status, signal) => {
        this.ended = true;
        resolve(signal ?? status ?? 'unknown');
      });
    });
  }

  /** Its process id in the machine's numbering. */
  async pid(): Promise<number> {
    this.#pid ??= await until('the start of a process', () => {
      if (this.ended) throw new Error(`ended at once:\n${this.lines.join('\n')}`);
      return this.#child.pid === undefined ? undefined : childrenOf(this.#child.pid)[0];
    });
    return this.#pid;
  }

  /** It neither answers nor ends until {@link thaw}. */
  async freeze(): Promise<void> {
    process.kill(await this.pid(), 'SIGSTOP');
  }

  async thaw(): Promise<void> {
    // nsenter, which waits for the process, has stopped itself along with it, and would not see its end.
    this.#child.kill('SIGCONT');
    process.kill(await this.pid(), 'SIGCONT');
  }

  /** Sends a signal and, unless told otherwise, waits for the end; gives {@link exited}. */
  async kill(signal: NodeJS.Signals = 'SIGTERM', wait = true): Promise<number | string> {
    if (!this.ended) {
      try {
        process.kill(await this.pid(), signal);
      } catch (error) {
        if (!this.ended && (error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    return wait ? await this.exited : 0;
  }
}
