/**
 * nf_tables in memory, on the rules of {@link FakeFirewall}: it takes our messages, has handles, and refuses
 * what the kernel refuses, all or nothing. The bytes of a rule are its text here.
 */
import { messagesIn, readAttributes, readText } from '../../src/codec/netlink/netlink-message.js';
import type { ReportedRule } from '../../src/codec/nf-tables/nft-rule-messages.js';
import type { RuleBatch } from '../../src/codec/nf-tables/rule-batch.js';
import { type Family, familyOfNumber } from '../../src/core/address.js';
import { messageOf } from '../../src/core/errors.js';
import { type Rule, type Table, tables } from '../../src/core/rules/rule.js';
import { NetlinkError } from '../../src/host/netlink/socket/netlink-error.js';
import type { NftKernel } from '../../src/host/nf-tables/netlink-transactions.js';
import type { Verdict } from '../../src/host/nf-tables/nft-socket.js';
import type { FakeFirewall } from './fake-firewall.js';

interface Request {
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
}

interface Handled {
  readonly text: string;
  readonly handle: number;
}

const requestsIn = (bytes: Buffer): Request[] =>
  [...messagesIn(bytes)].map(({ start, end, ...rest }) => {
    return { ...rest, body: bytes.subarray(start, end) };
  });

const newRule = 0xa06;
const flags = { append: 0x800, echo: 0x8 } as const;

/** The kernel's word for a request that it refuses. */
class Refusal extends Error {
  constructor(readonly code: string) {
    super(code);
  }
}

export class FakeNft implements NftKernel {
  readonly portId = 4711;
  /** Transactions that were made. */
  made = 0;
  /** Of each transaction that was asked for: whether it goes on a thread. */
  readonly inThread: boolean[] = [];
  /** Errors of the next transactions; `ENOBUFS` leaves open whether one was made. */
  readonly failures: string[] = [];
  /** Called right before the next transaction: another program changes rules. */
  meanwhile: (() => void) | undefined;
  readonly #chains = new Map<string, readonly Handled[]>();
  readonly #tableIds = new WeakMap<object, bigint>();
  #lastTable = 0n;
  #lastHandle = 0;
  #generation = 1;
  #seen = '';

  /** @param noted transactions stand among the restores of the firewall, for tests that count commits */
  constructor(
    private readonly kernel: FakeFirewall,
    private readonly noted = false,
  ) {}

  close(): void {}

  /** Goes up when rules have changed, whoever did it. */
  generation(): number {
    const now = JSON.stringify([this.kernel.dump(4), this.kernel.dump(6)]);
    if (now !== this.#seen) this.#generation += 1;
    this.#seen = now;
    return this.#generation;
  }

  tableHandle(family: Family, table: Table): bigint {
    if (this.kernel.missing.has(table)) throw new NetlinkError('ENOENT', 'no table (ENOENT)');
    const all = this.kernel.tables(family);
    const known = this.#tableIds.get(all);
    if (known !== undefined) return known;
    this.#lastTable += 1n;
    this.#tableIds.set(all, this.#lastTable);
    return this.#lastTable;
  }

  async findHandles(
    sought: readonly { readonly rule: Rule; readonly expressions: Buffer }[],
  ): Promise<Map<Rule, readonly number[]>> {
    const found = sought.map(({ rule, expressions }): [Rule, readonly number[]] => {
      const chain = this.#chain(rule.family, rule.table, rule.chain);
      if (chain === undefined) throw new NetlinkError('ENOENT', 'no chain (ENOENT)');
      return [
        rule,
        chain.flatMap(({ text, handle }) => (text === expressions.toString() ? handle : [])),
      ];
    });
    return new Map(found);
  }

  async transaction({ bytes }: Pick<RuleBatch, 'bytes'>, inThread?: boolean): Promise<Verdict> {
    if (inThread !== undefined) this.inThread.push(inThread);
    const { meanwhile } = this;
    this.meanwhile = undefined;
    meanwhile?.();
    await Promise.resolve();
    try {
      this.kernel.failIfPlanned();
    } catch (error) {
      if (this.noted) this.kernel.restores.push({ family: 4, text: 'by netlink' });
      throw new NetlinkError('ENOBUFS', messageOf(error));
    }
    const failure = this.failures.shift();
    if (failure === 'ENOBUFS') throw new NetlinkError(failure, 'answers were lost (ENOBUFS)');
    if (failure !== undefined) return { made: false, code: failure, index: undefined };
    const [begin, ...rest] = requestsIn(bytes);
    const generation = readAttributes((begin?.body ?? Buffer.alloc(0)).subarray(4)).get(1);
    if (generation?.readUInt32BE(0) !== this.generation()) {
      return { made: false, code: 'ERESTART', index: undefined };
    }
    const drafts = new Map<string, Handled[]>();
    const ids = new Map<number, number>();
    const echoed: ReportedRule[] = [];
    for (const [index, request] of rest.slice(0, -1).entries()) {
      try {
        const rule = this.#change(request, drafts, ids);
        if ((request.flags & flags.echo) !== 0 && rule !== undefined) echoed.push(rule);
      } catch (error) {
        if (error instanceof Refusal) return { made: false, code: error.code, index };
        throw error;
      }
    }
    for (const [key, chain] of drafts) this.#store(key, chain);
    this.made += 1;
    if (this.noted) this.kernel.restores.push({ family: 4, text: 'by netlink' });
    this.#generation += 1;
    this.#seen = JSON.stringify([this.kernel.dump(4), this.kernel.dump(6)]);
    return { made: true, echoed };
  }

  #change(
    { type, flags: asked, body }: Request,
    drafts: Map<string, Handled[]>,
    ids: Map<number, number>,
  ): ReportedRule | undefined {
    const family = familyOfNumber(body[0]);
    const attributes = readAttributes(body.subarray(4));
    const number = (at: number): number | undefined => {
      const value = attributes.get(at);
      return value && (value.length === 8 ? Number(value.readBigUInt64BE()) : value.readUInt32BE());
    };
    const table = tables.find((one) => one === readText(attributes, 1));
    const chain = readText(attributes, 2) ?? '';
    if (family === undefined || table === undefined || this.kernel.missing.has(table)) {
      throw new Refusal('ENOENT');
    }
    const key = `${family} ${table} ${chain}`;
    const known = drafts.get(key) ?? this.#chain(family, table, chain);
    if (known === undefined) throw new Refusal('ENOENT');
    const rules = [...known];
    drafts.set(key, rules);
    const indexOf = (handle: number | undefined): number => {
      const index = rules.findIndex((one) => one.handle === handle);
      if (index < 0) throw new Refusal('ENOENT');
      return index;
    };
    if (type !== newRule) {
      rules.splice(indexOf(number(3)), 1);
      return undefined;
    }
    const text = attributes.get(4)?.toString() ?? '';
    const target = /-j (DOCKER\S*)/.exec(text)?.[1];
    if (target !== undefined && this.#chain(family, table, target) === undefined) {
      throw new Refusal('ENOENT');
    }
    const positionId = number(10);
    const above = positionId === undefined ? number(6) : (ids.get(positionId) ?? Number.NaN);
    this.#lastHandle += 1;
    const rule = { text, handle: this.#lastHandle };
    if (above !== undefined) rules.splice(indexOf(above) + 1, 0, rule);
    else if ((asked & flags.append) !== 0) rules.push(rule);
    else rules.unshift(rule);
    const id = number(9);
    if (id !== undefined) ids.set(id, rule.handle);
    return { family, table, chain, handle: rule.handle, expressions: Buffer.alloc(0) };
  }

  /** The chain's rules with their handles: those of rules that others have added meanwhile are new. */
  #chain(family: Family, table: Table, name: string): readonly Handled[] | undefined {
    const rules = this.kernel.tables(family).get(table)?.get(name)?.rules;
    if (rules === undefined) return undefined;
    const key = `${family} ${table} ${name}`;
    const left = [...(this.#chains.get(key) ?? [])];
    const handled = rules.map((text) => {
      const at = left.findIndex((one) => one.text === text);
      const [known] = at < 0 ? [] : left.splice(at, 1);
      if (known !== undefined) return known;
      this.#lastHandle += 1;
      return { text, handle: this.#lastHandle };
    });
    this.#chains.set(key, handled);
    return handled;
  }

  #store(key: string, chain: readonly Handled[]): void {
    const [family, table, name = ''] = key.split(' ');
    const chains = this.kernel.tables(Number(family) as Family).get(table as Table);
    const state = chains?.get(name);
    if (state === undefined) throw new Error(`no chain ${key}`);
    state.rules = chain.map(({ text }) => text);
    this.#chains.set(key, chain);
  }
}
