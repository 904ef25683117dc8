/** The host's iptables, read as a whole and changed as a whole: text out, text in. */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Family } from '../core/address.js';
import { DriverError, messageOf } from '../core/errors.js';
import type { Firewall } from '../driver/host.js';
import { CommandError, runCommand } from './exec.js';
import {
  detectVariant,
  type FirewallCommands,
  firewallTimeoutMs,
  type Variant,
} from './firewall-variant.js';
import { OwnChanges } from './own-changes.js';

/** iptables waits this long for the lock of another one; then we try again. */
const lockWaitSeconds = 5;
const lockAttempts = 3;
/** Between attempts that failed at once: x_tables answers EAGAIN to a writer without the lock. */
const pauseMs = 50;

export interface IptablesOptions {
  /** Seconds that one attempt waits for the lock, in place of 5; for tests. */
  readonly lockWaitSeconds?: number;
  /** A process that takes longer is killed; for tests. */
  readonly timeoutMs?: number;
}

export class FirewallIptables implements Firewall {
  readonly #own = new OwnChanges();

  private constructor(
    private readonly commands: ReadonlyMap<Family, FirewallCommands>,
    private readonly options: IptablesOptions,
  ) {}

  /**
   * Looks which variant the host uses (some 10 ms). Construct it after the engine has been given
   * the time to make its chains, or again when it has.
   *
   * @throws {DriverError} `firewall-split`, or `firewall-failed` if there is no iptables for IPv4
   */
  static async detect(options: IptablesOptions = {}): Promise<FirewallIptables> {
    const commands = new Map<Family, FirewallCommands>();
    const ipv4 = await detectVariant(4);
    if (ipv4 === undefined) {
      throw new DriverError(
        'firewall-failed',
        'choosing the firewall: iptables is missing or cannot read the rules of this kernel; ' +
          "install the package 'iptables', or run tsbridge with --iptables=false",
      );
    }
    commands.set(4, ipv4);
    // With ipv6.disable=1 the commands are there, but what they change has no effect.
    const ipv6 = existsSync('/proc/net/if_inet6') ? await detectVariant(6) : undefined;
    if (ipv6 !== undefined) commands.set(6, ipv6);
    return new FirewallIptables(commands, options);
  }

  supports(family: Family): boolean {
    return this.commands.has(family);
  }

  /** For the log; undefined if the family is not supported. */
  variant(family: Family): Variant | undefined {
    return this.commands.get(family)?.variant;
  }

  async read(family: Family): Promise<string> {
    const { save } = this.#commandsOf(family);
    const stdout = await this.#run(`reading the rules with ${save}`, save, []);
    const foreign = /^# Table `(\w+)' is incompatible/m.exec(stdout);
    if (foreign === null) return stdout;
    throw new DriverError(
      'firewall-failed',
      `reading the rules with ${save}: table ${foreign[1]} holds rules that were written by 'nft' ` +
        'and that iptables cannot show; move them to a table of another name',
    );
  }

  async restore(family: Family, text: string, onStart?: (pid: number) => void): Promise<void> {
    const { restore } = this.#commandsOf(family);
    const wait = String(this.options.lockWaitSeconds ?? lockWaitSeconds);
    const action = `changing the rules with ${restore}`;
    await this.#run(action, restore, ['--noflush', '-w', wait], text, onStart);
  }

  deletesByHandle(family: Family): boolean {
    return this.variant(family) === 'nft';
  }

  async runNft(text: string): Promise<void> {
    await this.#run('deleting rules with nft', 'nft', ['-f', '-'], text);
  }

  async #run(
    action: string,
    file: string,
    args: readonly string[],
    input?: string,
    onStarted?: (pid: number) => void,
  ): Promise<string> {
    // One for each table, with nft for all of them.
    const transactions = file === 'nft' ? 1 : (input?.match(/^COMMIT$/gm)?.length ?? 0);
    for (let attempt = 1; ; attempt += 1) {
      let running: number | undefined;
      try {
        const onStart = (pid: number): void => {
          running = pid;
          this.#own.started(pid, file, transactions);
          onStarted?.(pid);
        };
        const options = { timeoutMs: this.options.timeoutMs ?? firewallTimeoutMs, onStart };
        const withInput = input === undefined ? options : { ...options, input };
        return (await runCommand(file, args, withInput)).stdout;
      } catch (error) {
        if (isLocked(error)) {
          if (attempt < lockAttempts) {
            await sleep(pauseMs);
            continue;
          }
          throw locked(action, error);
        }
        throw failed(action, error, input);
      } finally {
        if (running !== undefined) this.#own.ended(running);
      }
    }
  }

  /** The process of ours that made this change, as we know it: see {@link OwnChanges.match}. */
  ownProcess(pid: number, program: string): number | undefined {
    return this.#own.match(pid, program);
  }

  #commandsOf(family: Family): FirewallCommands {
    const commands = this.commands.get(family);
    if (commands !== undefined) return commands;
    throw new DriverError(
      'firewall-failed',
      `changing the rules: this host has no working ip${family === 6 ? '6' : ''}tables, ` +
        `so there are no rules for IPv${family}`,
    );
  }
}

/** The lock was not had in time, or another program without the lock changed the same table. */
function isLocked(error: unknown): boolean {
  return (
    error instanceof CommandError &&
    error.failure === 'exited' &&
    /xtables lock|can't lock|temporarily unavailable/i.test(error.stderr)
  );
}

function locked(action: string, cause: unknown): DriverError {
  return new DriverError(
    'firewall-failed',
    `${action}: another program kept the lock /run/xtables.lock all the time: ${messageOf(cause)}`,
    { cause },
  );
}

function failed(action: string, cause: unknown, input: string | undefined): DriverError {
  const line = input === undefined ? undefined : failingLine(messageOf(cause), input);
  const where = line === undefined ? '' : ` (line ${line.number}: ${line.text})`;
  return new DriverError('firewall-failed', `${action}${where}: ${messageOf(cause)}`, { cause });
}

/**
 * The line that iptables-restore complains about: `line 3 failed`, `Error occurred at line: 3`,
 * `line 3: RULE_APPEND failed`. For a COMMIT it is some line of that table, and it does not know
 * which. Every line of the input counts, also comments.
 */
export function failingLine(
  message: string,
  input: string,
): { number: number; text: string } | undefined {
  const match = /\bline:? (\d+)/.exec(message);
  const number = Number(match?.[1]);
  const text = input.split('\n')[number - 1];
  return text === undefined ? undefined : { number, text };
}
