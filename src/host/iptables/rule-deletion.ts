/**
 * Deletes rules by handle over a socket that stays open. At the end of each `nft` and `iptables` the kernel
 * closes its socket, and waits until it has freed what was deleted: a grace period of 13 to 22 ms (Linux
 * 6.18), which an open socket saves.
 */
import { type RuleDeletion as Deletion, ruleBatch } from '../../codec/nf-tables/rule-batch.js';
import { DriverError, messageOf } from '../../core/errors.js';
import { Yielding } from '../../yielding.js';
import { NftSocket } from '../nf-tables/nft-socket.js';

export class RuleDeletion {
  #socket: NftSocket | undefined;

  /** @param ownPorts gets the netlink port of the socket: reports of changes that name it are about our own */
  constructor(private readonly ownPorts: Set<number>) {}

  open(): void {
    this.#opened();
  }

  /**
   * Deletes the rules in one transaction, on a thread: the kernel works on it inside of the system call. One call at a
   * time.
   *
   * @param generation the kernel's, in which these handles name these rules. In a table that was made anew since, they
   *   may name rules of others
   * @returns false if the kernel has another generation: nothing has changed
   * @throws {DriverError} `firewall-failed`, with `ENOENT` if one of them is not there: all stay
   */
  async delete(deletions: readonly Deletion[], generation: number): Promise<boolean> {
    if (deletions.length === 0) return true;
    const batch = await new Yielding().run(ruleBatch(generation, deletions));
    const verdict = await this.#opened()
      .transaction(batch, true)
      .catch((cause: unknown) => {
        throw new DriverError('firewall-failed', `${action}: ${messageOf(cause)}`, { cause });
      });
    if (verdict.made) return true;
    if (verdict.code === 'ERESTART') return false;
    throw new DriverError('firewall-failed', `${action}: the kernel refuses (${verdict.code})`);
  }

  /** Call it only when no deletion is under way. */
  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }

  #opened(): NftSocket {
    this.#socket ??= new NftSocket();
    this.ownPorts.add(this.#socket.portId);
    return this.#socket;
  }
}

const action = 'deleting rules by their handles';
