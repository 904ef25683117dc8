/** Whether a pinned version is still the newest. */

export interface Pin {
  readonly name: string;
  /** Which versions count: every one, or those with the same first number. */
  readonly within: 'all' | 'line';
}

const release = /^(\d+)\.(\d+)\.(\d+)$/;

/** @param wanted as in package.json; @param published all versions in the registry */
export function judgePin(
  { name, within }: Pin,
  wanted: string,
  published: readonly string[],
): { fine: boolean; text: string } {
  if (!release.test(wanted)) {
    return { fine: false, text: `${name} ${wanted}: not pinned to one version` };
  }
  if (!published.includes(wanted)) {
    return { fine: false, text: `${name} ${wanted}: no longer in the registry` };
  }
  const [line] = numbersOf(wanted);
  const newest = published
    .filter((version) => release.test(version))
    .filter((version) => within === 'all' || numbersOf(version)[0] === line)
    .reduce((a, b) => (isLater(a, b) ? a : b));
  if (newest === wanted) return { fine: true, text: `${name} ${wanted}: the newest` };
  return { fine: false, text: `${name} ${wanted}: there is ${newest}` };
}

const numbersOf = (version: string): number[] => version.split('.').map(Number);

function isLater(a: string, b: string): boolean {
  const theirs = numbersOf(b);
  const [difference = 0] = numbersOf(a)
    .map((number, index) => number - (theirs[index] ?? 0))
    .filter((each) => each !== 0);
  return difference > 0;
}
