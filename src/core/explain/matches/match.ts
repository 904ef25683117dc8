/** What a match is: a function from its options and the packet to what is known. */

import { asWritten, entryOf, notUnderstood } from '../chains/options.js';
import type { RuleOption } from '../chains/rule-table.js';
import type { Answers } from '../facts.js';
import type { Packet } from '../packet.js';
import { every, type Truth } from '../truth.js';

/** Asks whether a packet meets the options of one `-m`. May throw {@link Unanswered}. */
export type Match = (options: readonly RuleOption[], packet: Packet, answers: Answers) => Truth;

/** One option alone, read as if it had no `!`. undefined: its value is not understood. */
export type OptionMatch = (
  values: readonly string[],
  packet: Packet,
  answers: Answers,
) => Truth | undefined;

/** A match whose options stand for themselves; one that is not in the table is unknown. */
export function eachOption(table: Readonly<Record<string, OptionMatch>>): Match {
  return (options, packet, answers) =>
    every(
      options.map((option) => {
        const truth = entryOf(table, option.flag)?.(option.values, packet, answers);
        return truth === undefined ? notUnderstood(option) : asWritten(option, truth);
      }),
    );
}

/** A match that says the same of every packet. */
export function always(truth: Truth): Match {
  return () => truth;
}
