/** What a command line that was understood gives its command to work with. */
import { type Config, readConfig } from '../config/config.js';
import { askDaemon, type DaemonAddress } from './admin-client.js';
import { type ColourChoice, type Paint, paintFor } from './output/style.js';
import type { CommandLine, Parameters, ValuesOf } from './table/entry.js';
import type { daemonFlags, namesFlags, outputFlags } from './table/flags.js';
import { UsageError } from './table/parse.js';
import type { Terminal } from './terminal.js';

/** The flags that a call looks at itself. */
export type CallFlags = typeof daemonFlags & typeof outputFlags & Partial<typeof namesFlags>;

export interface Call<Words extends Parameters, Flags extends Parameters>
  extends CommandLine<Words, Flags> {
  readonly terminal: Terminal;
  /** Colours for standard output. */
  readonly paint: Paint;
  /** The daemon's settings, as its next start would read them. */
  readonly config: Config;
  readonly timeoutMs: number;
  /** With `--no-names`, or for a command without names. */
  readonly noNames: boolean;
  /**
   * Asks the running daemon.
   *
   * @throws {AdminError}
   */
  request<Answer>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Answer>;
}

/** @throws {UsageError} if the configuration is wrong */
export async function beginCall<Words extends Parameters, Flags extends Parameters>(
  line: CommandLine<Words, Flags & CallFlags>,
  terminal: Terminal,
  defaultTimeoutMs: number,
): Promise<Call<Words, Flags & CallFlags>> {
  // The flags of CallFlags are there whatever the command's own are.
  const flags = line.flags as ValuesOf<CallFlags>;
  const config = await configOf(flags, terminal);
  const timeoutMs = flags.timeout ?? defaultTimeoutMs;
  const daemon: DaemonAddress = { runtimeDir: config.runtimeDir, timeoutMs };
  return {
    ...line,
    terminal,
    paint: paintFor(terminal, (flags.color ?? 'auto') as ColourChoice),
    config,
    timeoutMs,
    noNames: flags['no-names'] !== false,
    request: (method, path, body) => askDaemon(daemon, method, path, body),
  };
}

async function configOf(flags: ValuesOf<CallFlags>, { environment }: Terminal): Promise<Config> {
  const given = (['runtime-dir', 'state-dir', 'config'] as const).flatMap((name) => {
    const value = flags[name];
    return value === undefined ? [] : [`--${name}=${value}`];
  });
  try {
    return await readConfig(given, environment);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
