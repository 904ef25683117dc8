/**
 * What there is on the throwaway host: taken before and after a test, to show that nothing stays.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Namespaces } from './namespaces.js';
import { run } from './process.js';

/** Every list in an order that does not depend on when things were made, except the rules. */
export interface Snapshot {
  /** `name kind mtu master [addresses]`, without indices and link-local addresses. */
  links: string[];
  routes: string[];
  /** `iptables-save` without counters, comments and empty tables, in the kernel's order. */
  rules4: string[];
  rules6: string[];
  /** `tcp 0.0.0.0:8080 dockerd`: sockets that listen (or UDP sockets that are bound). */
  sockets: string[];
  /** Command lines of the lab's processes. */
  processes: string[];
  /** Files below /var/lib/tsbridge and /run/tsbridge. */
  state: string[];
}

/** The rules of one family as `iptables-save` gives them, without counters and comments. */
export async function saveRules(namespaces: Namespaces, family: 4 | 6): Promise<string[]> {
  const command = family === 4 ? 'iptables-save' : 'ip6tables-save';
  const text = await run(namespaces.enter('host', [command]));
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.replace(/ \[\d+:\d+\]$/, ''));
}

export async function snapshot(namespaces: Namespaces): Promise<Snapshot> {
  const here = (...command: string[]): Promise<string> => run(namespaces.enter('host', command));
  const [links, routes4, routes6, rules4, rules6, sockets] = await Promise.all([
    here('ip', '-j', '-d', 'addr'),
    here('ip', '-4', 'route'),
    here('ip', '-6', 'route'),
    saveRules(namespaces, 4),
    saveRules(namespaces, 6),
    here('ss', '-Hlntup'),
  ]);
  const found = processes(namespaces).sort();
  const state = [...files(namespaces, '/var/lib/tsbridge'), ...files(namespaces, '/run/tsbridge')];
  // The driver keeps its one proxy process for the next port; a second one would be a leftover.
  const proxy = found.indexOf('tsbridge-proxy');
  const daemon = found.some((line) => line.includes('main.js daemon'));
  const withProxy = daemon && proxy !== -1;
  if (withProxy) found.splice(proxy, 1);
  // And some processes for its next changes of the rules.
  for (const spare of daemon ? SPARES : []) {
    const at = found.findIndex((line) => spare.test(line));
    if (at !== -1) found.splice(at, 1);
  }
  return {
    links: (JSON.parse(links) as Link[]).map(describeLink).sort(),
    routes: [...lines(routes4), ...lines(routes6)]
      .filter((route) => !route.startsWith('fe80::') && !route.startsWith('multicast'))
      .map((route) => route.replace(/ (linkdown|dead)\b/g, '').trim())
      .sort(),
    rules4: withoutEmptyTables(rules4),
    rules6: withoutEmptyTables(rules6),
    sockets: lines(sockets).map(describeSocket).sort(),
    processes: found,
    state: state
      .filter((file) => !(withProxy && /^\/run\/tsbridge\/proxy(\.sock|\/\d+)$/.test(file)))
      // Empty, and never removed: two daemons could otherwise hold two files of that name.
      .filter((file) => !/^\/(var\/lib\/tsbridge\/daemon|run\/tsbridge\/runtime)\.lock$/.test(file))
      // Names as they were known last, for a daemon or command that comes while the engine does not answer.
      .filter((file) => file !== '/run/tsbridge/names.json')
      .sort(),
  };
}

/** What differs, one line each, `- ` for gone and `+ ` for new; empty if nothing does. */
export function diffSnapshots(before: Snapshot, after: Snapshot): string[] {
  const differences: string[] = [];
  for (const key of Object.keys(before) as (keyof Snapshot)[]) {
    const rest = [...after[key]];
    for (const line of before[key]) {
      const at = rest.indexOf(line);
      // A process that has ended is nothing that was left, or lost: some are there for a moment.
      if (at === -1 && key !== 'processes') differences.push(`- ${key}: ${line}`);
      else if (at !== -1) rest.splice(at, 1);
    }
    differences.push(...rest.map((line) => `+ ${key}: ${line}`));
  }
  return differences;
}

/** A table appears when a rule first goes in and then stays, empty: that is no difference. */
function withoutEmptyTables(rules: readonly string[]): string[] {
  return rules
    .join('\n')
    .split(/(?<=^COMMIT$)\n/m)
    .filter((table) => !/^\*\w+\n(:[A-Z]+ ACCEPT\n)*COMMIT$/.test(table))
    .flatMap((table) => table.split('\n').filter((line) => line !== ''));
}

interface Link {
  ifname: string;
  mtu: number;
  master?: string;
  linkinfo?: { info_kind?: string };
  addr_info?: { local: string; prefixlen: number; scope: string }[];
}

function describeLink(link: Link): string {
  const addresses = (link.addr_info ?? [])
    .filter((address) => address.scope !== 'link' || !address.local.startsWith('fe80'))
    .map((address) => `${address.local}/${address.prefixlen}`);
  const kind = link.linkinfo?.info_kind ?? '-';
  return `${link.ifname} ${kind} ${link.mtu} ${link.master ?? '-'} [${addresses.sort().join(' ')}]`;
}

function describeSocket(line: string): string {
  const [protocol = '', , , , local = '', , owner = ''] = line.split(/\s+/);
  return `${protocol} ${local} ${/"([^"]+)"/.exec(owner)?.[1] ?? '?'}`;
}

const IPV4 = /^iptables-\w+-restore --noflush /;
const IPV6 = /^ip6tables-\w+-restore --noflush /;
/** Of each as many as wait. */
const SPARES = [IPV4, IPV4, IPV6, IPV6];

/** Programs that come and go with every command the lab itself runs. */
const PASSING = /^(nsenter|ip|ss|runc|docker|ip6?tables|ip6?tables-save|xtables)\b(?!-)/;

function processes(namespaces: Namespaces): string[] {
  const proc = namespaces.path('/proc');
  const found: string[] = [];
  for (const pid of readdirSync(proc).filter((name) => /^\d+$/.test(name) && name !== '1')) {
    try {
      const words = readFileSync(join(proc, pid, 'cmdline'), 'utf8')
        .split('\0')
        .filter(Boolean);
      const line = words.join(' ').replace(/^\/(usr\/)?s?bin\//, '');
      // The engine's arguments may change with a restart; it is the same engine.
      const engine = /^(dockerd|containerd) /.exec(line)?.[1];
      if (line !== '' && !PASSING.test(line)) found.push(engine ?? line);
    } catch {
      // Ended while we looked.
    }
  }
  return found;
}

function files(namespaces: Namespaces, folder: string): string[] {
  try {
    return (
      readdirSync(namespaces.path(folder), { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name).replace(namespaces.path('/'), '/'))
        // What the engine said last, kept for a daemon that starts without it.
        .filter((path) => !/\/(?:names|owners)\.json(?:\.new)?$/.test(path))
    );
  } catch {
    return [];
  }
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
