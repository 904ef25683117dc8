/**
 * Deletes rules by handle over a socket that stays open. A process that closes a socket of
 * nf_tables waits until the kernel has let go of what was deleted, for a grace period of 13 to 22
 * ms (Linux 6.18): so does each `nft` and `iptables` at its end, long after its transaction.
 */
import { readFileSync } from 'node:fs';
import { deleteRulesBatch, type HandledRule } from '../../codec/nft-messages.js';
import type { Family } from '../../core/address.js';
import { NetlinkSocket, netlinkProtocol } from '../netlink/netlink-socket.js';
import type { OwnChanges } from './own-changes.js';

/**
 * The kernel answers for each rule that it does not find: more answers than this could overrun the
 * socket. And it works inside of the call: more rules than this would hold the event loop up.
 */
export const mostOverSocket = 64;

export class RuleDeletion {
  #socket: NetlinkSocket | undefined;

  constructor(private readonly own: OwnChanges) {}

  /**
   * One transaction.
   *
   * @param rules {@link mostOverSocket} at most
   * @throws {NetlinkError} `ENOENT` if one of them is not there; then all stay
   */
  async delete(family: Family, rules: readonly HandledRule[]): Promise<void> {
    if (rules.length === 0) return;
    this.#socket ??= new NetlinkSocket(netlinkProtocol.netfilter);
    this.own.started(process.pid, ownName(), 1);
    let changed = false;
    try {
      await this.#socket.transaction(deleteRulesBatch(family, rules));
      changed = true;
    } finally {
      this.own.ended(process.pid, changed);
    }
  }

  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }
}

/** As the kernel reports it: of the thread, which some versions of Node.js name. */
function ownName(): string {
  return readFileSync('/proc/thread-self/comm', 'utf8').trimEnd();
}
