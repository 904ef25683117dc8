/** All that can become of a packet: one journey if the host decides it, several if something else does. */

import type { Choices } from './chains/chain-walk.js';
import type { RuleTable } from './chains/rule-table.js';
import { type Answers, type Question, Unanswered } from './facts.js';
import type { NativeTable } from './native/native-table.js';
import type { Packet } from './packet.js';
import { follow, type Journey } from './path/journey.js';
import type { End } from './path/stages.js';

/** A condition that nobody can know, and how it was taken. */
export interface Assumption {
  /** `filter INPUT 3` */
  readonly rule: string;
  readonly dependsOn: readonly string[];
  readonly holds: boolean;
}

export interface Alternative extends Journey {
  readonly assumptions: readonly Assumption[];
}

export interface Explanation {
  /** At least one. The first is the one in which every rule matches that may. */
  readonly alternatives: readonly Alternative[];
  /** There are more journeys than were followed. */
  readonly cut: boolean;
}

/** Journeys that are followed at most: more than these nobody reads. */
export const mostAlternatives = 16;

/** The next thing to ask the host, or what becomes of the packet if nothing is left to ask. */
export function explain(
  tables: readonly (RuleTable | NativeTable)[],
  packet: Packet,
  answers: Answers,
): Explanation | { readonly question: Question } {
  try {
    return allWays(tables, packet, answers);
  } catch (error) {
    if (error instanceof Unanswered) return { question: error.question };
    throw error;
  }
}

function allWays(
  tables: readonly (RuleTable | NativeTable)[],
  packet: Packet,
  answers: Answers,
): Explanation {
  const alternatives: Alternative[] = [];
  /** Journeys still to follow: what is taken at the first forks of each. */
  const open: boolean[][] = [[]];
  let cut = false;
  while (open.length > 0 && alternatives.length < mostAlternatives) {
    const taken = open.pop() as boolean[];
    const choices = new Recorded(taken);
    const journey = follow(tables, packet, answers, choices);
    alternatives.push({ ...journey, assumptions: choices.assumptions });
    // Every fork that this journey met for the first time has another branch. The last branch is followed first, and at
    // most `mostAlternatives` journeys are followed, so the branches of the first of many forks would never be reached.
    // They are not kept, because each takes as much memory as there are forks before it.
    const forks = choices.assumptions.length;
    const first = Math.max(taken.length, forks - (mostAlternatives - alternatives.length));
    cut ||= first > taken.length;
    for (let fork = first; fork < forks; fork += 1) {
      const before = choices.assumptions.slice(0, fork).map(({ holds }) => holds);
      open.push([...before, false]);
    }
  }
  return { alternatives, cut: cut || open.length > 0 };
}

/** Takes the given choices first, and from then on that everything holds. */
class Recorded implements Choices {
  readonly assumptions: Assumption[] = [];

  constructor(private readonly taken: readonly boolean[]) {}

  take(rule: string, dependsOn: readonly string[]): boolean {
    const holds = this.taken[this.assumptions.length] ?? true;
    this.assumptions.push({ rule, dependsOn, holds });
    return holds;
  }
}

/** How the packet is refused in all journeys, if by one rule or another in each; undefined: one lets it through. */
export function refusedAnyway({
  alternatives,
  cut,
}: Explanation): 'dropped' | 'rejected' | undefined {
  const [first, ...others] = alternatives.map(({ end }) => end.kind);
  const isRefused = first === 'dropped' || first === 'rejected';
  return isRefused && !cut && others.every((kind) => kind === first) ? first : undefined;
}

/** The one end that all journeys come to, whatever cannot be known; undefined if it does make a difference. */
export function commonEnd({ alternatives, cut }: Explanation): End | undefined {
  const [first, ...others] = alternatives.map(({ end }) => end);
  const same = others.every((end) => JSON.stringify(end) === JSON.stringify(first));
  return same && !cut && first?.kind !== 'unknown' ? first : undefined;
}
