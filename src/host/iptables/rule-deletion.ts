/**
 * Deletes rules by handle over a socket that stays open. At the end of each `nft` and `iptables` the kernel
 * closes its socket, and waits until it has freed what was deleted: a grace period of 13 to 22 ms (Linux
 * 6.18), which an open socket saves.
 */
import { readFileSync } from 'node:fs';
import { deleteRulesBatch, type HandledRule } from '../../codec/nf-tables/nft-messages.js';
import type { Family } from '../../core/address.js';
import { NetlinkSocket, netlinkProtocol } from '../netlink/socket/netlink-socket.js';
import type { OwnChanges } from './own-changes.js';

/**
 * The kernel answers for each rule that it does not find, and too many answers could overrun the socket.
 * It also works inside of the system call: many rules would hold the event loop up.
 */
export const mostOverSocket = 64;

export class RuleDeletion {
  #socket: NetlinkSocket | undefined;

  constructor(private readonly own: OwnChanges) {}

  /**
   * Deletes the rules in one transaction.
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

/** The name of the main thread, by which the kernel reports changes; some versions of Node.js set it. */
function ownName(): string {
  return readFileSync('/proc/thread-self/comm', 'utf8').trimEnd();
}
