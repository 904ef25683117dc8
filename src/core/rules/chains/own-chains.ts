/** The chains that can hold rules of ours. Changes in all other chains need no repair. */
import { dockerChains, ownedChains, type Table, tables } from '../rule.js';

const ownChains: ReadonlySet<string> = new Set([...dockerChains, ...ownedChains]);
const builtIn: Readonly<Record<Table, readonly string[]>> = {
  raw: ['PREROUTING'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'POSTROUTING'],
  nat: ['PREROUTING', 'OUTPUT', 'POSTROUTING'],
  filter: ['FORWARD'],
};

/** The tables of `tsbridge.port_rules=map` (core/port-map), one in each family. */
export const portMapTable = 'tsbridge';

export function isOwnTable(name: string): boolean {
  return name === portMapTable || tables.some((table) => table === name);
}

export function isOwnChain(tableName: string, chain: string): boolean {
  if (tableName === portMapTable) return true;
  const table = tables.find((each) => each === tableName);
  return table !== undefined && (ownChains.has(chain) || builtIn[table].includes(chain));
}
