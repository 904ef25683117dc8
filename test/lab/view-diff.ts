/** In which lines two views of a host differ. */
import type { HostView } from './host-view.js';

export interface DiffOptions {
  /** Matched with `4 filter/FORWARD: …`. */
  readonly except?: readonly RegExp[];
  readonly anyOrder?: boolean;
}

/**
 * `- 4 filter/FORWARD: …` is on the reference's host only, `+ …` on ours only, and `~ …` names a
 * list in another order, with both.
 */
export function differences(
  reference: HostView,
  candidate: HostView,
  { except = [], anyOrder = false }: DiffOptions,
): string[] {
  const ours = sections(candidate);
  const theirs = sections(reference);
  const names = new Set([...theirs.keys(), ...ours.keys()]);
  return [...names].sort().flatMap((name) => {
    const keep = (line: string): boolean => !except.some((lines) => lines.test(`${name}: ${line}`));
    const before = (theirs.get(name) ?? []).filter(keep);
    const after = (ours.get(name) ?? []).filter(keep);
    const found = [
      ...minus(before, after).map((line) => `- ${name}: ${line}`),
      ...minus(after, before).map((line) => `+ ${name}: ${line}`),
    ];
    if (found.length > 0 || anyOrder || before.join('\n') === after.join('\n')) return found;
    return [`~ ${name}: ${after.join(' | ')} instead of ${before.join(' | ')}`];
  });
}

function sections(view: HostView): Map<string, readonly string[]> {
  const { chains, containers, ...lists } = view;
  const inside = Object.entries(containers).map(([name, lines]) => [`in ${name}`, lines] as const);
  return new Map([...Object.entries(lists), ...Object.entries(chains), ...inside]);
}

function minus(lines: readonly string[], others: readonly string[]): string[] {
  const rest = [...others];
  return lines.filter((line) => {
    const at = rest.indexOf(line);
    if (at !== -1) rest.splice(at, 1);
    return at === -1;
  });
}
