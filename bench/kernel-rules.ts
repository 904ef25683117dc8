/** The rules as the kernel has them, and what two looks at them differ in. */
import { run } from '../test/process/netns.js';

/** The kernel's rules with their numbers, without counters. */
export function rules(): string[] {
  const lines = run('nft', ['-a', 'list', 'ruleset']).split('\n');
  return lines.map((line) => line.trim().replace(/counter packets \d+ bytes \d+ /, ''));
}

export const withoutNumber = (line: string): string => line.replace(/ # handle \d+$/, '');

export function difference(a: readonly string[], b: readonly string[]): number {
  const [one, other] = [new Set(a), new Set(b)];
  return a.filter((line) => !other.has(line)).length + b.filter((line) => !one.has(line)).length;
}
