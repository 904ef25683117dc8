/** Lets the host's iptables write rules that exist for one transaction only, and hears what the kernel got. */
import { statSync } from 'node:fs';
import type { ReportedRule } from '../../codec/nf-tables/nft-rule-messages.js';
import type { Family } from '../../core/address.js';
import type { OwnChanges } from '../iptables/own-changes.js';
import { firewallTimeoutMs } from '../iptables/partial-read.js';
import { pathOf, runCommand } from '../process/exec.js';
import { AddedRules } from './nft-socket.js';
import type { Probe } from './rule-learning.js';

export class IptablesProbe implements Probe {
  /**
   * @param restore the name of the family's iptables-restore, if it writes to nf_tables
   * @param own is told of the process that writes the probe, so that its transaction is not taken for one of others
   */
  constructor(
    private readonly restore: (family: Family) => string | undefined,
    private readonly own?: Pick<OwnChanges, 'started' | 'ended'>,
  ) {}

  program(family: Family): string | undefined {
    const name = this.restore(family);
    const path = name === undefined ? undefined : pathOf(name);
    // Follows the symbolic links of update-alternatives to the file of the program itself.
    const file = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false });
    return file && `${path} ${file.dev} ${file.ino} ${file.size} ${file.mtimeMs}`;
  }

  /** A process of its own: the iptables-restore processes that wait for input are for the calls of engines. */
  async run(family: Family, text: string): Promise<readonly ReportedRule[]> {
    const name = this.restore(family);
    if (name === undefined) throw new Error('iptables does not write to nf_tables any more');
    const added = new AddedRules();
    let running: number | undefined;
    const onStart = (pid: number): void => {
      running = pid;
      this.own?.started(pid, name);
    };
    try {
      await runCommand(name, ['--noflush'], { input: text, timeoutMs: firewallTimeoutMs, onStart });
      // iptables-restore has ended, and the kernel reports a transaction before it answers it.
      return [...added.heard()];
    } finally {
      if (running !== undefined) this.own?.ended(running);
      added.close();
    }
  }
}
