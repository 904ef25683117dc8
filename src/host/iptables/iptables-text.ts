/** What the backend needs of the commands of iptables, in their own text; tests have a fake. */
import type { RuleDeletion } from '../../codec/nf-tables/rule-batch.js';
import type { Family } from '../../core/address.js';
import type { Table } from '../../core/rules/rule.js';

/** The iptables variant that this host uses, one per family; what `IptablesCommands` runs. */
export interface IptablesText {
  /** false if the host has no working iptables for this family: do not call the others with it. */
  supports(family: Family): boolean;
  /**
   * `iptables-save` text of all tables; where it cannot show a table, of our chains in it, with a line of
   * `hiddenRule` for each rule that iptables cannot print.
   */
  read(family: Family): Promise<string>;
  /**
   * `iptables-restore --noflush`: atomic per table. Throws with the failing line in the message.
   *
   * @param onStart told the process that makes the changes, before it makes them
   */
  restore(family: Family, text: string, onStart?: (pid: number) => void): Promise<void>;
  /** Whether the kernel has the table. To find out, a rule is added and deleted again. */
  hasTable(family: Family, table: Table): Promise<boolean>;
  /** Whether rules can be deleted by the kernel's handles for them (nf_tables). */
  deletesByHandle(family: Family): boolean;
  /**
   * Deletes rules in one transaction; one call at a time.
   *
   * @param generation the kernel's, in which these handles name these rules
   * @returns false if the kernel has another generation: nothing has changed
   * @throws {DriverError} `firewall-failed` if one of the rules does not exist: nothing has changed
   */
  deleteRules(deletions: readonly RuleDeletion[], generation: number): Promise<boolean>;
  /** Whether the host has gone over to another variant, which is used from now on. */
  followVariant(): Promise<boolean>;
  /** @throws {DriverError} `firewall-split` while it is in doubt which variant the engine uses */
  refuseDoubt(): void;
  /** An engine has started, and may use another variant. */
  engineStarted(): void;
  /** Why rules are not added at the moment, in words. */
  problems(): string[];
}
