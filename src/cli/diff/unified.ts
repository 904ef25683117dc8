/**
 * Unified diffs of lists in which hardly a text occurs twice, such as the rules of a chain. There the longest
 * common part is the longest increasing sequence of places, which takes n log n steps; a general algorithm takes
 * the square of the number of changes, which for a chain that lost 10,000 rules among others is minutes.
 */

/** Lines before and after a change that are shown with it. */
const context = 3;

type Line = readonly [' ' | '-' | '+', string];

/** Hunks with their `@@` lines; empty if nothing differs. */
export function unifiedDiff(before: readonly string[], after: readonly string[]): string[] {
  const lines = merged(before, after);
  const changes = lines.flatMap(([sign], index) => (sign === ' ' ? [] : [index]));
  const hunks: string[] = [];
  for (let next = 0; next < changes.length; ) {
    const start = Math.max(0, (changes[next] ?? 0) - context);
    let end = (changes[next] ?? 0) + 1;
    while (next < changes.length && (changes[next] ?? 0) <= end + 2 * context - 1) {
      end = (changes[next] ?? 0) + 1;
      next += 1;
    }
    hunks.push(...hunk(lines, start, Math.min(lines.length, end + context)));
  }
  return hunks;
}

function merged(before: readonly string[], after: readonly string[]): Line[] {
  const places = new Map(occurrences(before).map((key, place) => [key, place]));
  const kept = increasing(occurrences(after).map((key) => places.get(key)));
  const lines: Line[] = [];
  let [old, young] = [0, 0];
  const changedUpTo = (oldEnd: number, youngEnd: number): void => {
    for (; old < oldEnd; old += 1) lines.push(['-', before[old] ?? '']);
    for (; young < youngEnd; young += 1) lines.push(['+', after[young] ?? '']);
  };
  for (const [index, text] of after.entries()) {
    const place = kept.get(index);
    if (place === undefined) continue;
    changedUpTo(place, index);
    lines.push([' ', text]);
    old = place + 1;
    young = index + 1;
  }
  changedUpTo(before.length, after.length);
  return lines;
}

/** The text and how often it occurred before: so each stands there once. */
function occurrences(texts: readonly string[]): string[] {
  const counts = new Map<string, number>();
  return texts.map((text) => {
    const count = counts.get(text) ?? 0;
    counts.set(text, count + 1);
    return `${count} ${text}`;
  });
}

/** A longest increasing sequence: index → number. */
function increasing(numbers: readonly (number | undefined)[]): Map<number, number> {
  /** For each length: the index at which a sequence of that length ends with the smallest number. */
  const ends: number[] = [];
  const earlier = new Map<number, number | undefined>();
  for (const [index, number] of numbers.entries()) {
    if (number === undefined) continue;
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((numbers[ends[middle] ?? 0] ?? 0) < number) low = middle + 1;
      else high = middle;
    }
    earlier.set(index, ends[low - 1]);
    ends[low] = index;
  }
  const found = new Map<number, number>();
  for (let index = ends.at(-1); index !== undefined; index = earlier.get(index)) {
    found.set(index, numbers[index] ?? 0);
  }
  return found;
}

function hunk(lines: readonly Line[], start: number, end: number): string[] {
  const place = (other: '+' | '-') => {
    const own = ([sign]: Line) => sign !== other;
    const first = lines.slice(0, start).filter(own).length + 1;
    const length = lines.slice(start, end).filter(own).length;
    // As diff(1) writes it: an empty side is named by the line before it.
    return `${length === 0 ? first - 1 : first},${length}`;
  };
  return [
    `@@ -${place('+')} +${place('-')} @@`,
    ...lines.slice(start, end).map(([sign, text]) => sign + text),
  ];
}
