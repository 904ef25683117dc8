/** What must not grow: memory, descriptors, links, rules, records, flows. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Lab } from '../lab/lab.js';
import type { Tsbridge } from '../lab/tsbridge.js';

export interface Figures {
  /** MiB. */
  readonly daemonRss: number;
  readonly proxyRss: number;
  readonly daemonFds: number;
  readonly proxyFds: number;
  /** Processes of the daemon: itself, its monitors, its helpers. */
  readonly processes: number;
  readonly links: number;
  /** IPv4 and IPv6. */
  readonly rules: number;
  readonly records: number;
  readonly flows: number;
}

export async function measure(lab: Lab, daemon: Tsbridge): Promise<Figures> {
  const daemonPid = await daemon.pid();
  const proxyPid = findProxy(lab);
  const [links, rules4, rules6, flows] = await Promise.all([
    lab.hostNs('ip', '-o', 'link'),
    lab.saveRules(4),
    lab.saveRules(6),
    lab.hostNs('conntrack', '-C'),
  ]);
  return {
    daemonRss: rss(daemonPid),
    proxyRss: proxyPid === undefined ? 0 : rss(proxyPid),
    daemonFds: readdirSync(`/proc/${daemonPid}/fd`).length,
    proxyFds: proxyPid === undefined ? 0 : readdirSync(`/proc/${proxyPid}/fd`).length,
    processes: countDescendants(daemonPid),
    links: links.trim().split('\n').length,
    rules: [...rules4, ...rules6].filter((line) => line.startsWith('-A')).length,
    records: ['networks', 'endpoints']
      .map((kind) => readdirSync(lab.path(`/var/lib/tsbridge/${kind}`)).length)
      .reduce((sum, count) => sum + count),
    flows: Number(flows),
  };
}

/** The process that holds published ports, in the machine's numbering. */
export function findProxy(lab: Lab): number | undefined {
  const own = lab.namespaces.netns('host');
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (read(`/proc/${pid}/comm`).trim() !== 'tsbridge-proxy') continue;
    if (sameNamespace(`/proc/${pid}/ns/net`, own)) {
      return Number(pid);
    }
  }
  return undefined;
}

function sameNamespace(one: string, other: string): boolean {
  try {
    return readlinkSync(one) === readlinkSync(other);
  } catch {
    return false;
  }
}

function countDescendants(pid: number): number {
  const children = read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
  return 1 + children.map(countDescendants).reduce((sum, count) => sum + count, 0);
}

function rss(pid: number): number {
  const kib = /VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1];
  return Math.round(Number(kib ?? 0) / 1024);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
