/** The chains that can hold rules of ours. Changes in all other chains need no repair. */
import { dockerChains, type Table, tables } from './rule.js';

const ownChains: ReadonlySet<string> = new Set(dockerChains);
const builtIn: Readonly<Record<Table, readonly string[]>> = {
  raw: ['PREROUTING'],
  mangle: ['POSTROUTING'],
  nat: ['PREROUTING', 'OUTPUT', 'POSTROUTING'],
  filter: ['FORWARD'],
};

export function isOwnTable(name: string): boolean {
  return tables.some((table) => table === name);
}

export function isOwnChain(tableName: string, chain: string): boolean {
  const table = tables.find((each) => each === tableName);
  return table !== undefined && (ownChains.has(chain) || builtIn[table].includes(chain));
}
