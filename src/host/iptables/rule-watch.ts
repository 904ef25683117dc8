/** Watches the rules: by the kernel's reports of nf_tables or, with iptables-legacy, by a poll. */
import { mostReports, nftEventFilter } from '../../codec/nf-tables/nft-event-filter.js';
import { nftablesGroup, TransactionReader } from '../../codec/nf-tables/nft-events.js';
import type { Family } from '../../core/address.js';
import type { Author, Log } from '../../driver/host.js';
import { EventListener } from '../netlink/socket/event-listener.js';
import { netlinkProtocol } from '../netlink/socket/netlink-socket.js';
import type { IptablesCommands } from './commands.js';
import type { RestoreBackend } from './restore-backend.js';
import { RulePoll } from './rule-poll.js';

/**
 * Called when another program has changed rules of these families. An absent author or absent families are
 * unknown; an empty list means that only tables changed which are not those of iptables.
 */
export type RulesChanged = (author?: Author, families?: readonly Family[]) => void;

/** Who is told of changes of rules by other programs. */
export interface RuleSigns {
  readonly changed: RulesChanged;
  /** Reports of the kernel were lost; `changed` follows. */
  lost(): void;
}

export interface RuleWatch {
  start(): void;
  stop(): void;
  /** Why changes are not seen at the moment, in words. */
  readonly problem?: string | undefined;
}

/**
 * Watches by reports of the kernel or by a poll, as the variant of iptables needs it, and goes over to the other when
 * the variant changes. From the same reports the backend learns the handles of its rules. A filter in the kernel drops
 * reports about changes by those sockets of the daemon that are open when the watch begins.
 */
export function watchRules(
  commands: IptablesCommands,
  backend: RestoreBackend,
  signs: RuleSigns,
  log: Log,
): RuleWatch {
  const { changed } = signs;
  const watchFor = (): RuleWatch =>
    commands.variant(4) === 'legacy'
      ? new RulePoll(commands, () => changed(), log)
      : watchReports(commands, backend, signs, log);
  let watch = watchFor();
  backend.onVariant(() => {
    watch.stop();
    watch = watchFor();
    watch.start();
    // The new variant has none of the daemon's rules: a repair has to write all of them.
    changed();
  });
  return {
    start: () => {
      // Until now nobody listened to reports, so handles that are known may be wrong.
      backend.noteGap();
      watch.start();
    },
    stop: () => watch.stop(),
    get problem() {
      return watch.problem;
    },
  };
}

/** Kernels before 6.7 allow a socket 20 KB of options, which the whole filter does not fit into. */
const looks = [mostReports, mostReports / 2, mostReports / 4, 4];

function watchReports(
  commands: IptablesCommands,
  backend: RestoreBackend,
  { changed, lost }: RuleSigns,
  log: Log,
): RuleWatch {
  const transactions = new TransactionReader();
  const read = (datagram: Buffer): void => {
    for (const transaction of transactions.read(datagram)) {
      const { pid, program, families } = transaction;
      const own = commands.own.match(transaction);
      backend.noteTransaction({ ...transaction, pid: own ?? 0 });
      if (own === undefined) changed({ program, pid }, families);
    }
  };
  const reader = {
    read,
    gap: () => {
      transactions.forget();
      backend.noteGap();
    },
    lostTrack: () => {
      lost();
      changed();
    },
  };
  const filters = looks.map((reports) => nftEventFilter(reports, [...commands.own.ports]));
  const source = { protocol: netlinkProtocol.netfilter, groups: [nftablesGroup], filters };
  return new EventListener('changes of rules', source, reader, log);
}
