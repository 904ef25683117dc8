/**
 * Child processes: commands that run to their end, and long-lived ones. Never a shell.
 *
 * Every child gets `LC_ALL=C`, since callers read messages of `ip` and `iptables`.
 */
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Socket } from 'node:net';
import { delimiter, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { execa } from 'execa';

export interface CommandOptions {
  /** Written to the child's standard input, which is then closed. Without it: empty. */
  readonly input?: string;
  /** The child gets SIGKILL after this long. */
  readonly timeoutMs: number;
  /** Added to the daemon's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Told the child's process id as soon as there is one. */
  readonly onStart?: (pid: number) => void;
}

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

export type CommandFailure = 'not-found' | 'timed-out' | 'exited' | 'killed';

/** A command that could not be started, was killed, or ended with another exit code than 0. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  constructor(
    readonly failure: CommandFailure,
    /** Program and arguments, as one line. */
    readonly command: string,
    readonly stdout: string,
    readonly stderr: string,
    /** undefined unless `failure` is `exited`. */
    readonly exitCode: number | undefined,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/**
 * Runs a command to its end.
 *
 * @param file name of a program on PATH, or an absolute path
 * @throws {CommandError} whose message has the command line, what became of it, and its output
 */
export function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  return startCommand(file, args, options.env).finish(options);
}

/** A command that runs and waits for its input. */
export interface StartedCommand {
  /** The child has ended or could not be started, so that {@link finish} will fail. */
  readonly ended: boolean;
  /**
   * Writes its input and waits for its end; may be called once. The time limit counts from here.
   */
  finish(options: Omit<CommandOptions, 'env'>): Promise<CommandResult>;
  /** Kills it. */
  discard(): void;
  /** Lets the daemon end while it waits. */
  unref(): void;
}

/** As {@link runCommand}, in two steps. */
export function startCommand(
  file: string,
  args: readonly string[],
  env?: Readonly<Record<string, string>>,
): StartedCommand {
  const child = execa(file, args, {
    env: { ...env, LC_ALL: 'C' },
    reject: false,
    stripFinalNewline: false,
    maxBuffer: 256 * 1024 * 1024,
  });
  // A child's end tells of a failed write; this only prevents an unhandled 'error' event.
  child.stdin.on('error', () => undefined);
  let ended = child.pid === undefined;
  child.nodeChildProcess.once('exit', () => {
    ended = true;
  });
  return {
    get ended() {
      return ended;
    },
    async finish({ input, timeoutMs, onStart }) {
      keepRunningFor(child.nodeChildProcess, true);
      if (child.pid !== undefined) onStart?.(child.pid);
      let timedOut = false;
      const timer = setTimeout(() => {
        timedOut = true;
        // A child that hangs in the kernel or ignores SIGTERM would defeat the deadline.
        child.kill('SIGKILL');
        // Processes that the child has started may hold its output open for as long as they like.
        child.stdout.destroy();
        child.stderr.destroy();
      }, timeoutMs);
      child.stdin.end(input ?? '');
      const result = await child;
      clearTimeout(timer);
      if (!timedOut && !result.failed) {
        return { stdout: result.stdout, stderr: result.stderr, exitCode: result.exitCode ?? 0 };
      }
      throw commandError([file, ...args], { ...result, timedOut }, timeoutMs);
    },
    discard: () => {
      child.kill('SIGKILL');
    },
    unref: () => keepRunningFor(child.nodeChildProcess, false),
  };
}

interface FailedRun {
  readonly stdout: string;
  readonly stderr: string;
  readonly code?: string | undefined;
  readonly timedOut: boolean;
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  readonly cause?: unknown;
}

function commandError(
  words: readonly [string, ...string[]],
  run: FailedRun,
  timeoutMs: number,
): CommandError {
  const { stdout, stderr, exitCode, signal, cause } = run;
  const command = words.join(' ');
  const failure = failureOf(run);
  const what: Readonly<Record<CommandFailure, string>> = {
    'not-found': `${words[0]} is not installed (or not on PATH)`,
    'timed-out': `no end after ${timeoutMs} ms`,
    exited: `exit code ${exitCode}`,
    killed: `killed by ${signal ?? 'an unknown signal'}`,
  };
  const output = [stderr, stdout].map((text) => text.trim()).filter((text) => text !== '');
  const message = [`${command}: ${what[failure]}`, ...output].join(': ');
  return new CommandError(failure, command, stdout, stderr, exitCode, message, { cause });
}

function failureOf(result: FailedRun): CommandFailure {
  if (result.code === 'ENOENT') return 'not-found';
  if (result.timedOut) return 'timed-out';
  return result.exitCode === undefined ? 'killed' : 'exited';
}

/** Whether a program of this name is on PATH. */
export function isInstalled(file: string): boolean {
  return pathOf(file) !== undefined;
}

/**
 * Looks for the program of this name on PATH, each time anew: while the daemon runs, administrators install programs,
 * remove them, and put them in front of others. A look takes 7 µs; a call for a new network makes six, which is less
 * than a hundredth of its time.
 */
export function pathOf(file: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, file)).find((path) => existsSync(path));
}

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  /**
   * A process group of its own, so that a signal to the daemon's group does not reach it; it is
   * not killed when the daemon ends.
   */
  readonly detached?: boolean;
  /** `pipe` to read it, `ignore` for none, `inherit` for the daemon's own. Default: `pipe`. */
  readonly stdout?: 'pipe' | 'ignore' | 'inherit';
  readonly stderr?: 'pipe' | 'ignore' | 'inherit';
}

export interface ProcessEnd {
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  /** One line for logs: how it ended, or why it could not start. */
  readonly description: string;
}

/** A child that is meant to run for long. */
export interface LongProcess {
  /** undefined if it could not be started; `ended` says why. */
  readonly pid: number | undefined;
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  /** Resolves when the child has ended. Never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** false if it was gone already. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): boolean;
  /** Lets the daemon end while the child runs. */
  unref(): void;
}

/** Starts a child without waiting for it. Its standard input stays open until the daemon ends. */
export function spawnProcess(
  file: string,
  args: readonly string[],
  options: SpawnOptions = {},
): LongProcess {
  const detached = options.detached ?? false;
  const child = execa(file, args, {
    stdio: ['pipe', options.stdout ?? 'pipe', options.stderr ?? 'pipe'],
    env: { ...options.env, LC_ALL: 'C' },
    detached,
    cleanup: !detached,
    reject: false,
    buffer: false,
  });
  // `ended` tells of a failed write to a child that died; this only prevents an unhandled event.
  child.stdin?.on('error', () => undefined);
  child.nodeChildProcess.on('error', () => undefined);
  const ended = child.then((result) => ({
    exitCode: result.exitCode,
    signal: result.signal,
    description: result.shortMessage ?? 'exit code 0',
  }));
  return {
    pid: child.pid,
    stdin: child.stdin ?? undefined,
    stdout: child.stdout ?? undefined,
    stderr: child.stderr ?? undefined,
    ended,
    kill: (signal) => child.kill(signal),
    unref: () => keepRunningFor(child.nodeChildProcess, false),
  };
}

/** Whether the event loop goes on as long as the child runs: its pipes count as well. */
function keepRunningFor(
  child: Pick<ChildProcess, 'ref' | 'unref' | 'stdin' | 'stdout' | 'stderr'>,
  keep: boolean,
): void {
  for (const handle of [child, child.stdin, child.stdout, child.stderr]) {
    if (handle !== child && !(handle instanceof Socket)) continue;
    if (keep) handle.ref();
    else handle.unref();
  }
}
