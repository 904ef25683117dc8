/** Watches the rules: by the reports of `nft monitor` or, with iptables-legacy, by a poll. */
import { TransactionReader } from '../../codec/nft-monitor.js';
import type { Family } from '../../core/address.js';
import type { Author, Log } from '../../driver/host.js';
import { isInstalled } from '../process/exec.js';
import { KeptChild } from '../process/kept-child.js';
import type { IptablesCommands } from './commands.js';
import type { RestoreBackend } from './restore-backend.js';
import { RulePoll } from './rule-poll.js';

/**
 * Called when another program has changed rules of these families. An absent author or absent families are
 * unknown; an empty list means that only tables changed which are not those of iptables.
 */
export type RulesChanged = (author?: Author, families?: readonly Family[]) => void;

export interface RuleWatch {
  start(): void;
  stop(): void;
  /** The program without which changes are not seen, if it does not run. */
  readonly missing?: string | undefined;
}

/**
 * Begins with reports or a poll, as the variant of iptables needs it, and goes over to the other when the
 * variant changes. The backend learns the handles of its rules from the same reports.
 */
export function watchRules(
  commands: IptablesCommands,
  backend: RestoreBackend,
  changed: RulesChanged,
  log: Log,
): RuleWatch {
  const watchFor = (): RuleWatch =>
    // iptables-nft may be installed without nft; then the poll has to do.
    commands.variant(4) === 'legacy' || !isInstalled('nft')
      ? new RulePoll(commands, () => changed(), log)
      : watchReports(commands, backend, changed, log);
  let watch = watchFor();
  backend.onVariant(() => {
    watch.stop();
    watch = watchFor();
    watch.start();
    // The new variant has none of the daemon's rules: a repair has to write all of them.
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
