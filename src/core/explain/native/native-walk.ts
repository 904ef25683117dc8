/** Follows a packet through the chains of a native table, from one that the kernel enters by itself. */
import type { Answers } from '../facts.js';
import type { Packet } from '../packet.js';
import { type Effect, effectOf } from '../targets.js';
import { every, isUnknown, type Truth } from '../truth.js';
import type { Choices, Outcome, Step, TableVerdict } from '../walk.js';
import { entriesFor, matchHolds } from './matches.js';
import type { NativeChain, NativeRule, NativeTable, Statement, Verdict } from './native-table.js';
import { evaluate } from './values.js';

/** NFT_JUMP_STACK_SIZE: the kernel loads no rules that jump deeper. */
const deepest = 16;

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
  return new NativeWalk(table, answers, choices, packet).from(base);
}

interface Frame {
  readonly chain: NativeChain;
  next: number;
}

/** What a rule does with a packet: `unmatched` if one of its conditions does not hold. */
type Result = Verdict | Exclude<Effect, { kind: 'continue' }> | { readonly kind: 'unmatched' };

class NativeWalk {
  readonly #steps: Step[] = [];
  #packet: Packet;
  /** What had to be assumed for the rule that is asked. */
  #assuming: string[] = [];

  constructor(
    private readonly table: NativeTable,
    private readonly answers: Answers,
    private readonly choices: Choices,
    packet: Packet,
  ) {
    this.#packet = packet;
  }

  from(base: NativeChain): TableVerdict {
    /** Where to go on after the chain; the first is the base chain. */
    const frames: Frame[] = [{ chain: base, next: 0 }];
    for (;;) {
      const frame = frames.at(-1);
      if (frame === undefined) return this.#policy(base);
      const rule = frame.chain.rules[frame.next];
      frame.next += 1;
      if (rule === undefined) {
        frames.pop();
        if (frames.length > 0) this.#step(frame.chain, undefined, 'return');
        continue;
      }
      this.#assuming = [];
      const result = this.#ask(frame.chain, rule);
      const verdict = this.#apply(frames, frame.chain, rule, result);
      if (verdict !== undefined) return verdict;
    }
  }

  /** Statement after statement: what one has changed stays so if a later one does not hold. */
  #ask(chain: NativeChain, rule: NativeRule): Result {
    const place = `${tableName(this.table)} ${chain.name} ${rule.number}`;
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
    return this.#holds(place, conditions) ? { kind: 'continue' } : { kind: 'unmatched' };
  }

  /** undefined: the statement does something. */
  #condition(statement: Statement): Truth | undefined {
    switch (statement.kind) {
      case 'match':
        return matchHolds(statement, this.table, this.#packet, this.answers);
      case 'condition':
        return { dependsOn: [statement.words] };
      case 'reject': {
        const { family, protocol } = this.#packet;
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
        if ((statement.family ?? this.#packet.family) !== this.#packet.family) return undefined;
        const effect = effectOf(statement.target, this.#packet, this.answers);
        return effect.kind === 'continue' ? undefined : effect;
      }
      case 'translate-by-map': {
        if ((statement.family ?? this.#packet.family) !== this.#packet.family) return undefined;
        const entry = this.#entryFor(statement, place);
        if (entry === undefined) return { kind: 'unmatched' };
        if (entry.address === undefined) return entry.verdict;
        const effect = effectOf(statement.target(entry.address), this.#packet, this.answers);
        return effect.kind === 'continue' ? undefined : effect;
      }
      // `notrack`: whatever is a condition has been asked before.
      default:
        if (this.#packet.flow === 'none') this.#packet = { ...this.#packet, flow: 'untracked' };
        return undefined;
    }
  }

  /** The first entry of the map whose key is the packet's, or is assumed to be where the packet does not tell. */
  #entryFor(statement: Parameters<typeof entriesFor>[0], place: string) {
    const entries = entriesFor(statement, this.table, this.#packet, this.answers);
    return entries.find(({ truth }) => this.#holds(place, [truth]));
  }

  #mark({ of, value }: Extract<Statement, { kind: 'mark' }>): Result | undefined {
    const found = evaluate(value, this.#packet, this.answers);
    if (found === 'none') return { kind: 'unmatched' };
    if (typeof found !== 'bigint')
      return { kind: 'other', words: 'the mark that it gives is not understood' };
    const mark = Number(found);
    const { flow } = this.#packet;
    if (of === 'packet') this.#packet = { ...this.#packet, mark };
    else if (typeof flow !== 'string') this.#packet = { ...this.#packet, flow: { ...flow, mark } };
    return undefined;
  }

  #apply(
    frames: Frame[],
    chain: NativeChain,
    rule: NativeRule,
    result: Result,
  ): TableVerdict | undefined {
    const step = (outcome: Outcome, to?: string) => this.#step(chain, rule, outcome, to);
    switch (result.kind) {
      case 'unmatched':
        return undefined;
      case 'continue':
        step('continue');
        return undefined;
      case 'return':
        step('return');
        frames.pop();
        return undefined;
      case 'jump':
      case 'goto':
        step(result.kind, result.chain);
        return this.#enter(frames, result.kind, result.chain);
      case 'accept':
        step('accept');
        return this.#end('accept');
      case 'drop': {
        const how = 'how' in result ? result.how : 'drop';
        step(how);
        return this.#end(how);
      }
      case 'translate':
        step('translate');
        this.#packet = result.packet;
        return { ...this.#end('accept'), translated: result.manipulation };
      default:
        step('unknown');
        return this.#unknown(result.words);
    }
  }

  /** After a goto the kernel comes back to where the present chain would have come back to. */
  #enter(frames: Frame[], how: 'jump' | 'goto', name: string): TableVerdict | undefined {
    const chain = this.table.chains.get(name);
    if (chain === undefined) return this.#unknown(`chain ${name} could not be read`);
    if (how === 'goto') frames.pop();
    frames.push({ chain, next: 0 });
    return frames.length > deepest + 1
      ? this.#unknown('the chains call each other without end')
      : undefined;
  }

  #policy(base: NativeChain): TableVerdict {
    this.#step(base, undefined, base.policy);
    return this.#end(base.policy);
  }

  #end(verdict: TableVerdict['verdict']): TableVerdict {
    return { verdict, packet: this.#packet, steps: this.#steps };
  }

  #unknown(words: string): TableVerdict {
    return { ...this.#end('unknown'), words };
  }

  #step(chain: NativeChain, rule: NativeRule | undefined, outcome: Outcome, to?: string): void {
    const assuming = rule === undefined ? [] : this.#assuming;
    this.#steps.push({
      chain: chain.name,
      ...(rule === undefined ? {} : { number: rule.number, text: rule.text }),
      ...(rule?.counters === undefined ? {} : { counters: rule.counters }),
      outcome,
      ...(to === undefined ? {} : { to }),
      ...(assuming.length === 0 ? {} : { assuming }),
    });
  }
}
