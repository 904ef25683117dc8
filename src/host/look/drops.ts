/** Reads the host's drop points with their counters: IPv4 and IPv6, both variants of iptables, and native tables. */
import {
  type NativeTable,
  parseNativeDropPoints,
  parseNativeTables,
} from '../../codec/nft/native-rules.js';
import { messageOf } from '../../core/errors.js';
import type { RuleTable } from '../../core/explain/chains/rule-table.js';
import { type DropPoint, dropPointsIn } from '../../core/explain/drops.js';
import { runCommand } from '../process/exec.js';
import { readRuleSets } from './rule-sets.js';

const limits = { timeoutMs: 10_000 };

export interface DropPointsRead {
  readonly points: readonly DropPoint[];
  /** Why a part could not be read, a sentence each. */
  readonly warnings: readonly string[];
}

export async function readDropPoints(): Promise<DropPointsRead> {
  const [four, six] = await Promise.all([readRuleSets(4), readRuleSets(6)]);
  const tables = [...four.tables, ...six.tables];
  const native = await nativeDropPoints(tables);
  const warnings = new Set([...four.warnings, ...six.warnings, ...native.warnings]);
  return { points: [...dropPointsIn(tables), ...native.points], warnings: [...warnings] };
}

/** @param shown tables that iptables-save prints: they are left out here, since nft does not understand their matches */
async function nativeDropPoints(shown: readonly RuleTable[]): Promise<DropPointsRead> {
  const known = new Set(
    shown
      .filter(({ variant }) => variant === 'nft')
      .map(({ family, name }) => `${family === 4 ? 'ip' : 'ip6'} ${name}`),
  );
  try {
    const { stdout } = await runCommand('nft', ['-j', 'list', 'tables'], limits);
    const tables = parseNativeTables(stdout).filter(
      ({ family, name }) => !known.has(`${family} ${name}`),
    );
    const points: DropPoint[] = [];
    for (const table of tables) points.push(...(await dropPointsOf(table)));
    return { points, warnings: [] };
  } catch (error) {
    return { points: [], warnings: [`tables of nft's own could not be read: ${messageOf(error)}`] };
  }
}

async function dropPointsOf({ family, name }: NativeTable): Promise<DropPoint[]> {
  const list = ['list', 'table', family, name];
  const [json, text] = await Promise.all([
    runCommand('nft', ['-j', ...list], limits),
    runCommand('nft', ['-a', ...list], limits),
  ]);
  return parseNativeDropPoints(json.stdout, text.stdout);
}
