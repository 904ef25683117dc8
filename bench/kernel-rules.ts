/** The rules as the kernel has them, and what two looks at them differ in. */
import { spawnSync } from 'node:child_process';
import { run } from '../test/process/netns.js';
import { median } from './measure.js';

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

/** The chains that publishing a port changes. */
const changedChains: Readonly<Record<string, readonly string[]>> = {
  docker20: ['nat DOCKER', 'nat POSTROUTING', 'filter DOCKER'],
  docker28: ['nat DOCKER', 'filter DOCKER'],
};
const rounds = 9;

/**
 * Milliseconds that the kernel itself needs for one rule more in each of the chains that a published port changes: it
 * copies each changed chain and validates its table, whoever asks. What `nft` needs for as many rules in chains that are
 * empty is taken off. `nft` is not asked for the new rules' handles, since it reads all rules of the host for them.
 */
export function kernelCost(generation: string): number {
  const chains = changedChains[generation] ?? [];
  const empty = ['nat', 'filter'].map((table) => `floor-${table}`);
  for (const table of empty) script(`add table ip ${table}\nadd chain ip ${table} c\n`);
  const full = median(Array.from({ length: rounds }, () => addRules(chains)));
  const none = median(Array.from({ length: rounds }, () => addRules(empty.map((t) => `${t} c`))));
  for (const table of empty) script(`delete table ip ${table}\n`);
  for (const chain of chains) removeAdded(chain);
  return full - none;
}

/** Adds a rule that matches no packet to each chain. @returns how long that took, in milliseconds */
function addRules(chains: readonly string[]): number {
  const from = performance.now();
  script(chains.map((chain) => `add rule ip ${chain} ip protocol 255 counter\n`).join(''));
  return performance.now() - from;
}

function removeAdded(chain: string): void {
  const listed = run('nft', ['-a', 'list', 'chain', 'ip', ...chain.split(' ')]);
  const added = [...listed.matchAll(/^\s*ip protocol 255 .* # handle (\d+)$/gm)];
  script(added.map(([, handle]) => `delete rule ip ${chain} handle ${handle}\n`).join(''));
}

function script(input: string): void {
  const { status, stderr } = spawnSync('nft', ['-f', '-'], { input, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}
