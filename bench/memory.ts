/** What our processes have in memory: pages that are shared count by their share (PSS). */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { childrenOf } from '../test/lab/process.js';

/** MB of the daemon, of what it has started, and of the process that holds ports, if it runs. */
export function memoryOf(daemon: number): { all: number; withoutProxy: number } {
  const own = family(daemon);
  const proxies = proxiesBeside(daemon).filter((pid) => !own.includes(pid));
  const children = own.filter((pid) => !isProxy(pid));
  const sum = (pids: readonly number[]) => pids.reduce((total, pid) => total + pss(pid), 0);
  return { all: sum([...new Set([...own, ...proxies])]), withoutProxy: sum(children) };
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
