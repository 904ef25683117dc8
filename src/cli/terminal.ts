/** What a command talks to, and how it ends. */
import type { TerminalText } from './output/fit.js';

export interface Terminal {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Columns of the terminal that standard output is; undefined: it is none. */
  readonly width?: number | undefined;
  /** Standard output: what was asked for. */
  out(text: TerminalText): void;
  /** Standard error: why it could not be done. */
  err(text: TerminalText): void;
  /** Asks the person at the terminal for a line; absent where there is none. */
  ask?(question: string): Promise<string>;
  /** Aborted by Ctrl-C or SIGTERM; who asks for it has to end then. Absent: nobody interrupts. */
  interruption?(): AbortSignal;
}

/** How every command ends. */
export const exitCodes = {
  /** Done, or the answer is yes; for the daemon: stopped because it was told to. */
  ok: 0,
  /** Could not be done or found out; standard error or the log says why. */
  failed: 1,
  /** Not tried: the command line or the configuration is wrong. */
  usage: 2,
  /** The host was read, and the answer is no: something differs, or nothing matches. */
  differs: 3,
  /** The host was read, and the answer depends on what cannot be known here. */
  unclear: 4,
} as const;

export type ExitName = keyof typeof exitCodes;
export type ExitCode = (typeof exitCodes)[ExitName];
