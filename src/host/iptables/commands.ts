/**
 * The processes that read and change the rules: `iptables-save` text out, `iptables-restore` text
 * in, and deletion by the kernel's handles.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { renderTableProbe } from '../../codec/iptables/iptables-restore.js';
import { incompatibleTables } from '../../codec/iptables/iptables-save.js';
import type { RuleDeletion as Deletion } from '../../codec/nf-tables/rule-batch.js';
import type { Family } from '../../core/address.js';
import { DriverError, messageOf } from '../../core/errors.js';
import type { Table } from '../../core/rules/rule.js';
import type { Log } from '../../driver/host.js';
import { CommandError, type CommandResult, runCommand } from '../process/exec.js';
import { SpareCommand } from '../process/spare-command.js';
import type { IptablesText } from './iptables-text.js';
import { OwnChanges } from './own-changes.js';
import { firewallTimeoutMs, readByChain } from './partial-read.js';
import { RuleDeletion } from './rule-deletion.js';
import type { Variant } from './variant.js';
import { type Chosen, VariantChoice } from './variant-choice.js';

/** iptables waits this long for another one's lock (xtables.lock); then the daemon starts it again. */
const lockWaitSeconds = 5;
const lockAttempts = 3;
/** Pause after an attempt that failed at once, as when x_tables answers EAGAIN. */
const pauseMs = 50;

export interface IptablesOptions {
  /** Seconds that one attempt waits for the lock, in place of 5; for tests. */
  readonly lockWaitSeconds?: number;
  /** A process that takes longer is killed; for tests. */
  readonly timeoutMs?: number;
}

export class IptablesCommands implements IptablesText {
  /** Is told of each process that writes rules for the daemon, also by other parts of it. */
  readonly own = new OwnChanges();
  readonly #deletion = new RuleDeletion(this.own.ports);
  readonly #restores = new Map<Family, SpareCommand>();
  readonly #variant: VariantChoice;
  #writes = 0;

  constructor(
    private readonly options: IptablesOptions = {},
    log?: Log,
  ) {
    this.#variant = new VariantChoice(log);
  }

  /** Makes one that has chosen its variant already. */
  static async detect(options: IptablesOptions = {}, log?: Log): Promise<IptablesCommands> {
    const commands = new IptablesCommands(options, log);
    await commands.choose();
    return commands;
  }

  /**
   * Call it after the engine has been given the time to make its chains: see
   * {@link VariantChoice.choose}.
   */
  async choose(): Promise<void> {
    await this.#variant.choose();
    this.#useChosen();
  }

  async followVariant(): Promise<boolean> {
    const changed = await this.#variant.check();
    if (changed) this.#useChosen();
    return changed;
  }

  refuseDoubt(): void {
    this.#variant.refuseDoubt();
  }

  problems(): string[] {
    return this.#variant.problem === undefined ? [] : [this.#variant.problem];
  }

  engineStarted(): void {
    this.#variant.engineStarted();
  }

  #useChosen(): void {
    const args = ['--noflush', '-w', String(this.options.lockWaitSeconds ?? lockWaitSeconds)];
    for (const [family, spare] of this.#restores) {
      if (this.#chosen.get(family)?.restore === spare.file) continue;
      spare.close();
      this.#restores.delete(family);
    }
    for (const [family, { restore }] of this.#chosen) {
      if (this.#restores.has(family)) continue;
      // Engines from 28 on have rules for an endpoint, and some milliseconds later for its ports.
      this.#restores.set(family, new SpareCommand(restore, args, 2));
    }
  }

  get #chosen(): Chosen {
    return this.#variant.chosen;
  }

  supports(family: Family): boolean {
    return this.#chosen.has(family);
  }

  /** For the log; undefined if the family is not supported. */
  variant(family: Family): Variant | undefined {
    return this.#chosen.get(family)?.variant;
  }

  /** The program that writes rules to nf_tables; undefined if the family's rules are kept elsewhere. */
  nftRestore(family: Family): string | undefined {
    const chosen = this.#chosen.get(family);
    return chosen?.variant === 'nft' ? chosen.restore : undefined;
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
    try {
      await this.#change(`changing the rules with ${command.file}`, command, text, onStart);
    } finally {
      this.#writes += 1;
    }
  }

  /** How often {@link restore} has ended, with or without an error: after an error, some tables may be written. */
  get writes(): number {
    return this.#writes;
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
    return this.variant(family) === 'nft';
  }

  deleteRules(deletions: readonly Deletion[], generation: number): Promise<boolean> {
    return this.#deletion.delete(deletions, generation);
  }

  /**
   * Opens the socket that deletes rules, before the first deletion: `own` has to know its netlink port before reports
   * are filtered by it.
   */
  openDeletion(): void {
    this.#deletion.open();
  }

  /** Ends the processes that wait for the next change. Call it only when no change is under way. */
  close(): void {
    for (const spare of this.#restores.values()) spare.close();
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
    const changing = async (): Promise<CommandResult> => {
      let running: number | undefined;
      const onStart = (pid: number): void => {
        running = pid;
        this.own.started(pid, command.file);
        onStarted?.(pid);
      };
      try {
        return await command.run({ input, timeoutMs: this.#timeoutMs, onStart });
      } finally {
        if (running !== undefined) this.own.ended(running);
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
}

function noTables(family: Family): never {
  throw new DriverError(
    'firewall-failed',
    `changing the rules: this host has no working ip${family === 6 ? '6' : ''}tables, ` +
      `so there are no rules for IPv${family}`,
  );
}

/** Another program kept the lock for too long, or changed the same table without taking the lock. */
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
