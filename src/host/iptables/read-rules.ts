/** Reads a long listing of rules with yields, so that calls do not wait for all of it. */

import { SaveReader } from '../../codec/iptables/iptables-save.js';
import type { RuleSet } from '../../core/rules/rule-set.js';
import { Yielding } from '../../yielding.js';

/** Characters that are read in one step: some 500 rules, which take 1 ms. */
const stepLength = 50_000;

export async function readYielding(text: string, yielding = new Yielding()): Promise<RuleSet> {
  const reader = new SaveReader();
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start + stepLength);
    const next = end < 0 ? text.length : end + 1;
    reader.read(text.slice(start, next));
    start = next;
    await yielding.pause();
  }
  return reader.rules;
}
