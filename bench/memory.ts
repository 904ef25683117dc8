/** What our processes have in memory: pages that are shared count by their share (PSS). */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { childrenOf } from '../test/lab/process.js';
import { type Figure, figure } from './figure.js';

/** In MB. */
export interface Memory {
  readonly daemon: number;
  /** Monitors, and commands that run or wait. */
  readonly children: number;
  /** The process that holds published ports; 0 if there is none. */
  readonly proxy: number;
}

export function memoryOf(daemon: number): Memory {
  const own = family(daemon);
  const proxies = new Set([...own.filter(isProxy), ...proxiesBeside(daemon)]);
  const children = own.filter((pid) => pid !== daemon && !proxies.has(pid));
  const sum = (pids: Iterable<number>) => [...pids].reduce((total, pid) => total + pss(pid), 0);
  return { daemon: sum([daemon]), children: sum(children), proxy: sum(proxies) };
}

/** What a row says: the sum, and what it is made of. */
export function memoryFigure(row: string, { daemon, children, proxy }: Memory): Figure {
  const parts = { daemon, 'its children': children, 'holds ports': proxy };
  const note = Object.entries(parts).map(([part, size]) => `${part} ${size.toFixed(1)}`);
  return figure({
    row,
    unit: 'MB',
    tsbridge: daemon + children + proxy,
    note: note.join(', '),
  });
}

function family(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(family)];
}

/** Detached: it is nobody's child, but in the same network namespace. */
function proxiesBeside(daemon: number): number[] {
  const namespace = readlinkSync(`/proc/${daemon}/ns/net`);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return isProxy(pid) && readlinkSync(`/proc/${pid}/ns/net`) === namespace;
      } catch {
        return false;
      }
    });
}

function isProxy(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('tsbridge-proxy');
  } catch {
    return false;
  }
}

function pss(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) / 1024;
  } catch {
    return 0; // it has ended
  }
}
