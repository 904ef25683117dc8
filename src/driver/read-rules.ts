/** A long listing of rules is read in pieces, so that calls do not wait for all of it. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RuleSet } from '../core/firewall/rule-set.js';
import { SaveReader } from '../core/firewall/save.js';

/** Characters; some 2,000 rules, which take 4 ms. */
const pieceLength = 200_000;

export async function readInPieces(text: string): Promise<RuleSet> {
  const reader = new SaveReader();
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start + pieceLength);
    const next = end < 0 ? text.length : end + 1;
    reader.read(text.slice(start, next));
    start = next;
    if (start < text.length) await nextTurn();
  }
  return reader.found;
}
