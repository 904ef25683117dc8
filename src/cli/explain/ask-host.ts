/** Runs the simulation on this host until it has no more questions. */

import type { RuleTable } from '../../core/explain/chains/rule-table.js';
import { type Explanation, explain } from '../../core/explain/explain.js';
import { Answers } from '../../core/explain/facts.js';
import type { NativeTable } from '../../core/explain/native/native-table.js';
import type { Packet } from '../../core/explain/packet.js';
import type { HostAnswers } from '../../host/look/host-answers.js';

/** More questions than this no packet raises: each is asked once. */
const mostQuestions = 10_000;

export async function explainHere(
  tables: readonly (RuleTable | NativeTable)[],
  packet: Packet,
  host: HostAnswers,
  /** Answers that were given for other packets at the same moment, so that nothing is asked twice. */
  answers = new Answers(),
): Promise<Explanation> {
  for (let asked = 0; asked < mostQuestions; asked += 1) {
    const said = explain(tables, packet, answers);
    if (!('question' in said)) return said;
    answers.give(said.question, await host.answer(said.question));
  }
  throw new Error('the simulation does not come to an end');
}
