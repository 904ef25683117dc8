/** Our own sockets to nf_tables: one for transactions, one after the other, and one for short questions. */
import {
  controlType,
  errnoOf,
  formatRequest,
  messagesIn,
  type NetlinkRequest,
} from '../../codec/netlink/netlink-message.js';
import {
  generationRequest,
  parseGeneration,
  parseReportedRule,
  parseTableHandle,
  type ReportedRule,
  tableRequest,
} from '../../codec/nf-tables/nft-rule-messages.js';
import type { RuleBatch } from '../../codec/nf-tables/rule-batch.js';
import type { Family } from '../../core/address.js';
import type { Table } from '../../core/rules/rule.js';
import {
  closeNetlink,
  type NetlinkDescriptor,
  openNetlink,
  portIdOf,
  receiveNetlinkNow,
  sendNetlink,
  sendNetlinkNow,
  setMembership,
} from '../netlink/socket/netlink-calls.js';
import { NetlinkError } from '../netlink/socket/netlink-error.js';
import { findHandles, type SoughtRule } from './rule-handles-dump.js';

const netfilter = 12;
/** NFNLGRP_NFTABLES: every change of every table of the namespace. */
const changesGroup = 7;
/**
 * A transaction is one message: 10,000 rules have 6 MB. The kernel answers each rule that it refuses, and an
 * answer takes 768 bytes of the buffer. The kernel takes memory only for what is in it.
 */
const bufferBytes = 32 * 1024 * 1024;
/** ERESTART, which no system call answers with, so that libuv has no name for it. */
const restart = 85;
/** Size of the buffer for one datagram; a rule has some hundred bytes. */
const datagramBytes = 64 * 1024;

/** What the kernel says of a transaction. */
export type Verdict =
  | { readonly made: true; readonly echoed: readonly ReportedRule[] }
  /** Nothing has changed; `index` is the refused request's, and undefined if it was the transaction. */
  | { readonly made: false; readonly code: string; readonly index: number | undefined };

export class NftSocket {
  readonly #fd: NetlinkDescriptor = openNetlink(netfilter, {
    sendBuffer: bufferBytes,
    receiveBuffer: bufferBytes,
  });
  /** The socket for questions, which are also asked while a transaction is under way on a thread. */
  readonly #questions: NetlinkDescriptor = openNetlink(netfilter);
  readonly #datagram = Buffer.allocUnsafe(datagramBytes);
  /** Netlink port of the socket for transactions, by which reports of nf_tables name the sender. */
  readonly portId = portIdOf(this.#fd);

  /** Call it only when no transaction is under way. */
  close(): void {
    closeNetlink(this.#fd);
    closeNetlink(this.#questions);
  }

  /**
   * @param inThread the kernel may need long: the event loop goes on meanwhile
   * @throws {NetlinkError} it is not known whether the transaction was made
   */
  async transaction({ bytes, last }: RuleBatch, inThread: boolean): Promise<Verdict> {
    this.#discard(this.#fd);
    try {
      if (inThread) await sendNetlink(this.#fd, bytes);
      else sendNetlinkNow(this.#fd, bytes);
    } catch (error) {
      // The kernel has not taken the message.
      if (error instanceof NetlinkError) return { made: false, code: error.code, index: undefined };
      throw error;
    }
    return this.#verdict(last);
  }

  /** The kernel has answered everything when the system call comes back. */
  #verdict(last: number): Verdict {
    const echoed: ReportedRule[] = [];
    let acknowledged = false;
    let refusal: { code: string; index: number | undefined } | undefined;
    for (const { type, sequence, body } of this.#queued(this.#fd)) {
      if (type !== controlType.error) {
        const rule = parseReportedRule(type, body);
        // Without the expressions: they lie in the buffer that the next datagram overwrites.
        if (rule !== undefined) echoed.push({ ...rule, expressions: Buffer.alloc(0) });
        continue;
      }
      const errno = errnoOf(body);
      if (errno === 0) acknowledged ||= sequence === last;
      else {
        const code = errno === restart ? 'ERESTART' : NetlinkError.fromErrno(errno).code;
        refusal ??= { code, index: sequence === 0 ? undefined : sequence - 1 };
      }
    }
    if (refusal !== undefined) return { made: false, ...refusal };
    if (acknowledged) return { made: true, echoed };
    throw new NetlinkError('EBADMSG', 'nf_tables has not answered a transaction (EBADMSG)');
  }

  /** The kernel's generation: the number of nf_tables' rules, one more after each transaction. */
  generation(): number {
    return this.#ask(generationRequest, parseGeneration);
  }

  /**
   * The handle of the table itself.
   *
   * @throws {NetlinkError} `ENOENT` if there is none
   */
  tableHandle(family: Family, table: Table): bigint {
    return this.#ask(tableRequest(family, table), parseTableHandle);
  }

  findHandles(sought: readonly SoughtRule[]): ReturnType<typeof findHandles> {
    return findHandles(sought);
  }

  #ask<T>(request: NetlinkRequest, parse: (type: number, body: Buffer) => T | undefined): T {
    this.#discard(this.#questions);
    sendNetlinkNow(this.#questions, formatRequest(request, 1));
    let answer: T | undefined;
    for (const { type, body } of this.#queued(this.#questions)) {
      if (type === controlType.error) throw NetlinkError.fromErrno(errnoOf(body));
      answer ??= parse(type, body);
    }
    if (answer !== undefined) return answer;
    throw new NetlinkError('EBADMSG', 'nf_tables has not answered a question (EBADMSG)');
  }

  /** Empties the socket: answers to an earlier request that failed may still be there. */
  #discard(fd: NetlinkDescriptor): void {
    while (this.#receive(fd) !== undefined);
  }

  *#queued(fd: NetlinkDescriptor): Generator<{ type: number; sequence: number; body: Buffer }> {
    for (let bytes = this.#receive(fd); bytes !== undefined; bytes = this.#receive(fd)) {
      for (const { type, sequence, start, end } of messagesIn(bytes)) {
        yield { type, sequence, body: bytes.subarray(start, end) };
      }
    }
  }

  #receive(fd: NetlinkDescriptor): Buffer | undefined {
    const length = receiveNetlinkNow(fd, this.#datagram);
    return length === undefined ? undefined : this.#datagram.subarray(0, length);
  }
}

/** Hears which rules any program adds to nf_tables, from the making of this object on. */
export class AddedRules {
  readonly #fd = openNetlink(netfilter, { receiveBuffer: bufferBytes });
  readonly #datagram = Buffer.allocUnsafe(datagramBytes);

  /** @throws {NetlinkError} `EPERM` without CAP_NET_ADMIN */
  constructor() {
    try {
      setMembership(this.#fd, changesGroup, true);
    } catch (error) {
      closeNetlink(this.#fd);
      throw error;
    }
  }

  close(): void {
    closeNetlink(this.#fd);
  }

  /**
   * Those of the transactions that have ended; each is answered once.
   *
   * @throws {NetlinkError} `ENOBUFS` if some were lost
   */
  *heard(): Generator<ReportedRule> {
    for (;;) {
      const length = receiveNetlinkNow(this.#fd, this.#datagram);
      if (length === undefined) return;
      for (const { type, start, end } of messagesIn(this.#datagram.subarray(0, length))) {
        const rule = parseReportedRule(type, this.#datagram.subarray(start, end));
        if (rule !== undefined) yield { ...rule, expressions: Buffer.from(rule.expressions) };
      }
    }
  }
}
