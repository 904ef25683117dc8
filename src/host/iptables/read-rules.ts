/** A long listing of rules is read in pieces, so that calls do not wait for all of it. */

import { SaveReader } from '../../codec/iptables-save.js';
import type { RuleSet } from '../../core/rules/rule-set.js';
import { Pieces } from '../../pieces.js';

/** Characters; some 500 rules, which take 1 ms. */
const stepLength = 50_000;

export async function readInPieces(text: string, pieces = new Pieces()): Promise<RuleSet> {
  const reader = new SaveReader();
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start + stepLength);
    const next = end < 0 ? text.length : end + 1;
    reader.read(text.slice(start, next));
    start = next;
    await pieces.pause();
  }
  return reader.found;
}
