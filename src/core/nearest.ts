/** Guesses which existing word a person meant by one that does not exist. */

/**
 * The candidate closest to `word`: one that begins with or contains it, else the one with the
 * fewest typing mistakes. undefined if none is close enough to be worth suggesting. Case counts as
 * a mistake that costs nothing.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = word.toLowerCase();
  let best: string | undefined;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const cost = distance(wanted, candidate.toLowerCase());
    if (cost < bestCost) {
      best = candidate;
      bestCost = cost;
    }
  }
  // A third of the letters wrong is another word; a short word may still have one mistake.
  if (bestCost <= Math.max(1, Math.floor(wanted.length / 3))) return best;
  return wanted.length < 3 ? undefined : shortestWith(wanted, candidates);
}

/** `; did you mean X?` with the nearest candidate as `show` writes it, or nothing. */
export function didYouMean(
  word: string,
  candidates: Iterable<string>,
  show: (candidate: string) => string = (candidate) => candidate,
): string {
  const candidate = nearest(word, candidates);
  return candidate === undefined ? '' : `; did you mean ${show(candidate)}?`;
}

function shortestWith(part: string, candidates: Iterable<string>): string | undefined {
  const rank = (text: string) => (text.toLowerCase().startsWith(part) ? 0 : 1000) + text.length;
  return [...candidates]
    .filter((candidate) => candidate.toLowerCase().includes(part))
    .sort((a, b) => rank(a) - rank(b))[0];
}

/**
 * Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal
 * string alignment).
 */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      const costs = [
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + (same ? 0 : 1),
      ];
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        costs.push(at(beforeLast, column - 2) + 1);
      }
      current.push(Math.min(...costs));
    }
    beforeLast = last;
    last = current;
  }
  return at(last, b.length);
}

const at = (row: readonly number[], column: number) => row[column] ?? Number.POSITIVE_INFINITY;
