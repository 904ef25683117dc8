/** Changes of the rules, as `nft monitor` reports them or, with iptables-legacy, as a poll finds them. */
import { TransactionReader } from '../../codec/nft-monitor.js';
import type { Family } from '../../core/address.js';
import type { Author, Log } from '../../driver/host.js';
import { isInstalled } from '../process/exec.js';
import { KeptChild } from '../process/kept-child.js';
import type { IptablesCommands } from './commands.js';
import type { RestoreBackend } from './restore-backend.js';
import { RulePoll } from './rule-poll.js';

/**
 * Told that rules of these families changed, by a process that is not ours; without author or families
 * it is not known. Of no family, if the tables are not those of iptables.
 */
export type RulesChanged = (author?: Author, families?: readonly Family[]) => void;

export interface RuleWatch {
  start(): void;
  stop(): void;
  /** The program without which changes are not seen, if it does not run. */
  readonly missing?: string | undefined;
}

/**
 * Reports or a poll, as the variant needs it; another variant, another way. The backend learns the
 * handles of its rules from the same reports.
 */
export function watchRules(
  commands: IptablesCommands,
  backend: RestoreBackend,
  changed: RulesChanged,
  log: Log,
): RuleWatch {
  const watchFor = (): RuleWatch =>
    // iptables-nft works without nft.
    commands.variant(4) === 'legacy' || !isInstalled('nft')
      ? new RulePoll(commands, () => changed(), log)
      : watchReports(commands, backend, changed, log);
  let watch = watchFor();
  backend.onVariant(() => {
    watch.stop();
    watch = watchFor();
    watch.start();
    // All of ours have to be written with the new variant.
    changed();
  });
  return {
    start: () => watch.start(),
    stop: () => watch.stop(),
    get missing() {
      return watch.missing;
    },
  };
}

function watchReports(
  commands: IptablesCommands,
  backend: RestoreBackend,
  changed: RulesChanged,
  log: Log,
): RuleWatch {
  const reader = new TransactionReader();
  const line = (text: string): void => {
    const transaction = reader.read(text);
    if (transaction === undefined) return;
    if (transaction === 'lost') {
      backend.noteGap();
      changed();
      return;
    }
    const { pid, program, families } = transaction;
    const own = commands.ownProcess(pid, program);
    backend.noteTransaction({ ...transaction, pid: own ?? 0 });
    if (own === undefined) changed({ program, pid }, families);
  };
  const told = {
    line,
    lostTrack: () => changed(),
    gap: () => backend.noteGap(),
    harmless: unknownExtension,
  };
  return new KeptChild('nft', ['-a', 'monitor'], told, log);
}

/** Debian's nft does not know what iptables adds to nf_tables, and says so for each such rule. */
const unknownExtension = /^XT (?:match|target) \S+ not found$/;
