/** Three-valued logic: what can be said of a condition without seeing the packet pass. */

/** `true` or `false`: it is known. Otherwise the words say what it depends on. */
export type Truth = boolean | Unknown;

export interface Unknown {
  /** Each a phrase of its own: `the rate is within 5/min`. Never empty. */
  readonly dependsOn: readonly string[];
}

export function unknown(...dependsOn: readonly string[]): Unknown {
  return { dependsOn };
}

export function isUnknown(truth: Truth): truth is Unknown {
  return typeof truth === 'object';
}

export function negated(truth: Truth): Truth {
  return isUnknown(truth) ? truth : !truth;
}

/** One that does not hold decides, whatever the others are; else one that is not known does. */
export function every(truths: Iterable<Truth>): Truth {
  const open: string[] = [];
  for (const truth of truths) {
    if (truth === false) return false;
    if (isUnknown(truth)) open.push(...truth.dependsOn);
  }
  return open.length === 0 ? true : { dependsOn: open };
}

/** One that holds decides, whatever the others are. */
export function some(truths: Iterable<Truth>): Truth {
  return negated(every(Array.from(truths, negated)));
}
