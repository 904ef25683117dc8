/** Follows a packet through the chains of a native table, from one that the kernel enters by itself. */
import {
  ChainWalk,
  type Choices,
  type Consequence,
  type TableVerdict,
} from '../chains/chain-walk.js';
import { type Effect, effectOf } from '../chains/targets.js';
import type { Answers } from '../facts.js';
import type { Packet } from '../packet.js';
import { every, isUnknown, type Truth } from '../truth.js';
import { entriesFor, matchHolds } from './matches.js';
import type { NativeChain, NativeRule, NativeTable, Statement, Verdict } from './native-table.js';
import { evaluate } from './values.js';

/** NFT_JUMP_STACK_SIZE and the base chain: the kernel loads no rules that jump deeper. */
const deepest = 17;

/** `inet firewalld` */
export function tableName({ family, name }: NativeTable): string {
  return `${family} ${name}`;
}

/** @throws {Unanswered} */
export function walkNative(
  table: NativeTable,
  base: NativeChain,
  packet: Packet,
  answers: Answers,
  choices: Choices,
): TableVerdict {
  return new NativeWalk(table, answers, choices, packet).from(base, base.policy);
}

/** What a statement, or a whole rule, does to the packet. */
type Result = Verdict | Exclude<Effect, { kind: 'continue' }> | { readonly kind: 'unmatched' };

class NativeWalk extends ChainWalk<NativeRule> {
  /** What had to be assumed for the rule that is asked. */
  #assuming: string[] = [];

  constructor(
    private readonly table: NativeTable,
    private readonly answers: Answers,
    private readonly choices: Choices,
    packet: Packet,
  ) {
    super(table.chains, deepest, packet);
  }

  protected ask(chain: string, rule: NativeRule) {
    this.#assuming = [];
    const consequence = consequenceOf(this.#result(chain, rule));
    return { consequence, assuming: this.#assuming };
  }

  /** Statement after statement: what one has changed stays so if a later one does not hold. */
  #result(chain: string, rule: NativeRule): Result {
    const place = `${tableName(this.table)} ${chain} ${rule.number}`;
    let conditions: Truth[] = [];
    for (const statement of rule.statements) {
      const truth = this.#condition(statement);
      if (truth !== undefined) {
        conditions.push(truth);
        // The kernel asks no further either, so nothing is asked of the host in vain.
        if (truth === false) return { kind: 'unmatched' };
        continue;
      }
      if (!this.#holds(place, conditions)) return { kind: 'unmatched' };
      conditions = [];
      const result = this.#does(statement, place);
      if (result !== undefined) return result;
    }
    const truth = every(conditions);
    // No statement follows these conditions, so the packet goes on to the next rule whether they hold or not: no fork.
    if (isUnknown(truth)) this.#assuming.push(...truth.dependsOn);
    return { kind: 'continue' };
  }

  /** undefined: the statement does something. */
  #condition(statement: Statement): Truth | undefined {
    switch (statement.kind) {
      case 'match':
        return matchHolds(statement, this.table, this.packet, this.answers);
      case 'condition':
        return { dependsOn: [statement.words] };
      case 'reject': {
        const { family, protocol } = this.packet;
        const isAbout =
          (statement.family ?? family) === family && (statement.protocol ?? protocol) === protocol;
        return isAbout ? undefined : false;
      }
      default:
        return undefined;
    }
  }

  #holds(place: string, conditions: readonly Truth[]): boolean {
    const truth = every(conditions);
    if (!isUnknown(truth)) return truth;
    if (!this.choices.take(place, truth.dependsOn)) return false;
    this.#assuming.push(...truth.dependsOn);
    return true;
  }

  /** undefined: the next statement is asked. */
  #does(statement: Statement, place: string): Result | undefined {
    switch (statement.kind) {
      case 'verdict':
        return statement.verdict;
      case 'verdict-map':
        return this.#entryFor(statement, place)?.verdict ?? { kind: 'unmatched' };
      case 'reject':
        return { kind: 'drop', how: 'reject' };
      case 'mark':
        return this.#mark(statement);
      case 'translate': {
        if ((statement.family ?? this.packet.family) !== this.packet.family) return undefined;
        const effect = effectOf(statement.target, this.packet, this.answers);
        return effect.kind === 'continue' ? undefined : effect;
      }
      case 'translate-by-map': {
        if ((statement.family ?? this.packet.family) !== this.packet.family) return undefined;
        const entry = this.#entryFor(statement, place);
        if (entry === undefined) return { kind: 'unmatched' };
        if (entry.address === undefined) return entry.verdict;
        const effect = effectOf(statement.target(entry.address), this.packet, this.answers);
        return effect.kind === 'continue' ? undefined : effect;
      }
      // `notrack`: whatever is a condition has been asked before.
      default:
        if (this.packet.flow === 'none') this.packet = { ...this.packet, flow: 'untracked' };
        return undefined;
    }
  }

  /** The first entry of the map whose key is the packet's, or is assumed to be where the packet does not tell. */
  #entryFor(statement: Parameters<typeof entriesFor>[0], place: string) {
    const entries = entriesFor(statement, this.table, this.packet, this.answers);
    return entries.find(({ truth }) => this.#holds(place, [truth]));
  }

  #mark({ of, value }: Extract<Statement, { kind: 'mark' }>): Result | undefined {
    const found = evaluate(value, this.packet, this.answers);
    if (found === 'none') return { kind: 'unmatched' };
    if (typeof found !== 'bigint')
      return { kind: 'other', words: 'the mark that it gives is not understood' };
    const mark = Number(found);
    const { flow } = this.packet;
    if (of === 'packet') this.packet = { ...this.packet, mark };
    else if (typeof flow !== 'string') this.packet = { ...this.packet, flow: { ...flow, mark } };
    return undefined;
  }
}

function consequenceOf(result: Result): Consequence {
  switch (result.kind) {
    case 'drop':
      return { kind: 'drop', how: 'how' in result ? result.how : 'drop' };
    case 'other':
      return { kind: 'unknown', words: result.words };
    case 'jump':
    case 'goto':
    case 'translate':
    case 'unknown':
      return result;
    default:
      return { kind: result.kind };
  }
}
