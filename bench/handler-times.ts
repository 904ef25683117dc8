/** How long calls took inside of our handlers: from the daemon's log, one line a call. */
export interface LoggedCall {
  readonly method: string;
  readonly durationMs: number;
}

/** The calls among lines of the log, in order. Throws if one of them failed. */
export function callsIn(lines: readonly string[]): LoggedCall[] {
  return lines.flatMap((line) => {
    const entry = parse(line);
    if (entry?.msg !== 'call') return [];
    const { method, durationMs, outcome } = entry;
    if (outcome !== 'ok') throw new Error(`a call failed: ${line}`);
    const name = String(method).replace(/^NetworkDriver\./, '');
    return [{ method: name, durationMs: Number(durationMs) }];
  });
}

export function parse(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** What the daemon says when it stops: see `src/daemon/stalls.ts`. */
export function longestStall(lines: readonly string[]): number {
  const stops = lines.flatMap((line) => {
    const longest = parse(line)?.longestStallMs;
    return typeof longest === 'number' ? [longest] : [];
  });
  return Math.max(...stops);
}

/** How long the calls took, by method. */
export function timesIn(lines: readonly string[]): Map<string, number[]> {
  const times = new Map<string, number[]>();
  for (const { method, durationMs } of callsIn(lines)) {
    times.set(method, [...(times.get(method) ?? []), durationMs]);
  }
  return times;
}
