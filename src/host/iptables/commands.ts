/**
 * The processes that read and change the rules: `iptables-save` text out, `iptables-restore` text in,
 * and deletion by the kernel's handles.
 */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { renderTableProbe } from '../../codec/iptables-restore.js';
import type { HandledRule } from '../../codec/nft-messages.js';
import { renderDeletions } from '../../codec/nft-script.js';
import type { Family } from '../../core/address.js';
import { DriverError, messageOf } from '../../core/errors.js';
import type { Table } from '../../core/rules/rule.js';
import { CommandError, type CommandResult, isInstalled, runCommand } from '../process/exec.js';
import { SpareCommand } from '../process/spare-command.js';
import { OwnChanges } from './own-changes.js';
import { firewallTimeoutMs, incompatibleTables, readByChain } from './partial-read.js';
import { mostOverSocket, RuleDeletion } from './rule-deletion.js';
import { detectVariant, type FirewallCommands, type Variant } from './variant.js';

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

/** The iptables variant that this host uses, one per family; what {@link IptablesCommands} runs. */
export interface IptablesText {
  /** false if the host has no working iptables for this family: do not call the others with it. */
  supports(family: Family): boolean;
  /**
   * `iptables-save` text of all tables; where it cannot show a table, of our chains in it, with a line of
   * {@link hiddenRule} for each rule that iptables cannot print.
   */
  read(family: Family): Promise<string>;
  /**
   * `iptables-restore --noflush`: atomic per table. Throws with the failing line in the message.
   *
   * @param onStart told the process that makes the changes, before it makes them
   */
  restore(family: Family, text: string, onStart?: (pid: number) => void): Promise<void>;
  /** Whether the kernel has the table; found out by writing to it. */
  hasTable(family: Family, table: Table): Promise<boolean>;
  /** Whether rules can be deleted by the kernel's handles for them (nf_tables). */
  deletesByHandle(family: Family): boolean;
  /**
   * Deletes them in one transaction, or, if there are very many, in a few. Throws if a rule is not
   * there; then its transaction has changed nothing.
   */
  deleteRules(family: Family, rules: readonly HandledRule[]): Promise<void>;
}

export class IptablesCommands implements IptablesText {
  readonly #own = new OwnChanges();
  readonly #deletion = new RuleDeletion(this.#own);
  readonly #restores = new Map<Family, SpareCommand>();
  readonly #nft = new SpareCommand('nft', ['-f', '-']);
  /** Reports the numbers of rules, and deletes by them. */
  readonly #hasNft = isInstalled('nft');
  /** Of processes that are at work. */
  readonly #changes = new Set<Promise<unknown>>();

  /** None before the first {@link choose}. */
  #chosen: ReadonlyMap<Family, FirewallCommands> = new Map();

  constructor(private readonly options: IptablesOptions = {}) {}

  /** One that has chosen. */
  static async detect(options: IptablesOptions = {}): Promise<IptablesCommands> {
    const commands = new IptablesCommands(options);
    await commands.choose();
    return commands;
  }

  /**
   * Looks which variant the host uses (some 10 ms), and uses it from then on. Call it after the engine
   * has been given the time to make its chains, and again when it may use another one.
   *
   * @throws {DriverError} `firewall-split`, or `firewall-failed` if there is no iptables for IPv4
   */
  async choose(): Promise<void> {
    const chosen = new Map<Family, FirewallCommands>();
    // With ipv6.disable=1 the commands are there, but what they change has no effect.
    const hasIpv6 = existsSync('/proc/net/if_inet6');
    const [ipv4, ipv6] = await Promise.all([
      detectVariant(4),
      hasIpv6 ? detectVariant(6) : undefined,
    ]);
    if (ipv4 === undefined) {
      throw new DriverError(
        'firewall-failed',
        'choosing the firewall: iptables is missing or cannot read the rules of this kernel; ' +
          "install the package 'iptables', or run tsbridge with --iptables=false",
      );
    }
    chosen.set(4, ipv4);
    if (ipv6 !== undefined) chosen.set(6, ipv6);
    const args = ['--noflush', '-w', String(this.options.lockWaitSeconds ?? lockWaitSeconds)];
    for (const [family, { restore }] of chosen) {
      const before = this.#restores.get(family);
      if (before?.file === restore) continue;
      before?.close();
      // Engines from 28 on have rules for an endpoint, and some milliseconds later for its ports.
      this.#restores.set(family, new SpareCommand(restore, args, 2));
    }
    this.#chosen = chosen;
  }

  supports(family: Family): boolean {
    return this.#chosen.has(family);
  }

  /** For the log; undefined if the family is not supported. */
  variant(family: Family): Variant | undefined {
    return this.#chosen.get(family)?.variant;
  }

  async read(family: Family): Promise<string> {
    const { save, tool } = this.#chosen.get(family) ?? noTables(family);
    const reading = (): Promise<CommandResult> =>
      runCommand(save, [], { timeoutMs: this.#timeoutMs });
    const stdout = await this.#run(`reading the rules with ${save}`, reading);
    const left = incompatibleTables(stdout);
    if (left.length === 0) return stdout;
    try {
      return stdout + (await readByChain(family, tool, left));
    } catch (cause) {
      throw failed(`reading table ${left.join(' and ')} with ${tool}, chain by chain`, cause);
    }
  }

  async restore(family: Family, text: string, onStart?: (pid: number) => void): Promise<void> {
    const command = this.#restores.get(family) ?? noTables(family);
    await this.#change(`changing the rules with ${command.file}`, command, text, onStart);
  }

  async hasTable(family: Family, table: Table): Promise<boolean> {
    try {
      await this.restore(family, renderTableProbe(table));
      return true;
    } catch (error) {
      if (error instanceof DriverError && isLocked(error.cause)) throw error;
      return false;
    }
  }

  deletesByHandle(family: Family): boolean {
    return this.variant(family) === 'nft' && this.#hasNft;
  }

  async deleteRules(family: Family, rules: readonly HandledRule[]): Promise<void> {
    if (rules.length <= mostOverSocket) {
      const action = 'deleting rules by their numbers';
      // The kernel lets one transaction after the other in, and ours would wait on the event loop.
      while (this.#changes.size > 0) await Promise.allSettled(this.#changes);
      await this.#deletion.delete(family, rules).catch((cause: unknown) => {
        throw new DriverError('firewall-failed', `${action}: ${messageOf(cause)}`, { cause });
      });
      return;
    }
    for (const text of renderDeletions(family, rules)) {
      await this.#change('deleting rules with nft', this.#nft, text);
    }
  }

  /** Ends the processes that wait for the next change. */
  close(): void {
    for (const spare of [...this.#restores.values(), this.#nft]) spare.close();
    this.#deletion.close();
  }

  get #timeoutMs(): number {
    return this.options.timeoutMs ?? firewallTimeoutMs;
  }

  #change(
    action: string,
    command: SpareCommand,
    input: string,
    onStarted?: (pid: number) => void,
  ): Promise<string> {
    // One for each table, with nft for all of them.
    const transactions = command === this.#nft ? 1 : (input.match(/^COMMIT$/gm)?.length ?? 0);
    const changing = async (): Promise<CommandResult> => {
      let running: number | undefined;
      const onStart = (pid: number): void => {
        running = pid;
        this.#own.started(pid, command.file, transactions);
        onStarted?.(pid);
      };
      let changed = false;
      try {
        const change = command.run({ input, timeoutMs: this.#timeoutMs, onStart });
        this.#changes.add(change);
        const over = (): boolean => this.#changes.delete(change);
        change.then(over, over);
        const result = await change;
        changed = true;
        return result;
      } finally {
        if (running !== undefined) this.#own.ended(running, changed);
      }
    };
    return this.#run(action, changing, input);
  }

  async #run(
    action: string,
    command: () => Promise<CommandResult>,
    input?: string,
  ): Promise<string> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return (await command()).stdout;
      } catch (error) {
        if (!isLocked(error)) throw failed(action, error, input);
        if (attempt === lockAttempts) throw locked(action, error);
        await sleep(pauseMs);
      }
    }
  }

  /** The process of ours that made this change, as we know it: see {@link OwnChanges.match}. */
  ownProcess(pid: number, program: string): number | undefined {
    return this.#own.match(pid, program);
  }
}

function noTables(family: Family): never {
  throw new DriverError(
    'firewall-failed',
    `changing the rules: this host has no working ip${family === 6 ? '6' : ''}tables, ` +
      `so there are no rules for IPv${family}`,
  );
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

function failed(action: string, cause: unknown, input?: string): DriverError {
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
