/**
 * What there is on a throwaway host of the networks under test, and apart from that of others: to
 * show that a repair brings the one back and leaves the other alone.
 */
import type { Lab } from './lab.js';

export interface HostState {
  /** Rules of our networks and of the chains they share with the engine's, by table and chain. */
  ours: Record<string, string[]>;
  /** Everybody else's. */
  others: Record<string, string[]>;
  /** Bridges and the ports on them: `br-app up - [172.18.0.1/16]`. */
  links: string[];
  /** `net/ipv4/ip_forward 1` */
  settings: string[];
}

/** Chains, jumps and ends that the engine makes, and a network of either driver needs. */
const shared = [
  /^:(FORWARD DROP|DOCKER(-(ISOLATION-STAGE-[12]|USER|FORWARD|CT|BRIDGE|INTERNAL))? -)$/,
  /^-A (DOCKER-)?FORWARD -j DOCKER-(USER|FORWARD|ISOLATION-STAGE-1|CT|BRIDGE|INTERNAL)$/,
  /^-A DOCKER-ISOLATION-STAGE-[12] -j RETURN$/,
  /^-A (PREROUTING|OUTPUT) .*--dst-type LOCAL -j DOCKER$/,
];

/**
 * @param own matches the rules of the networks under test
 * @param settings paths below /proc/sys
 */
export async function hostState(
  lab: Lab,
  own: RegExp,
  settings: readonly string[],
): Promise<HostState> {
  const script = [
    ...['echo family 4', 'iptables-save', 'echo family 6', 'ip6tables-save'],
    ...['echo links', 'ip -j -d addr show', 'echo settings'],
    ...settings.map((path) => `echo ${path} $(cat /proc/sys/${path})`),
  ].join('\n');
  const lines = (await lab.hostNs('sh', '-c', script)).split('\n');
  const state: HostState = { ours: {}, others: {}, links: [], settings: [] };
  let part = '';
  let table = '';
  for (const line of lines) {
    if (/^(family [46]|links|settings)$/.test(line)) part = line;
    else if (line === '' || line.startsWith('#') || line === 'COMMIT') continue;
    else if (part === 'links') state.links = describeLinks(line);
    else if (part === 'settings') state.settings.push(line);
    else if (line.startsWith('*')) table = line.slice(1);
    // A table appears when a rule first goes in: that is no rule of somebody's.
    else if (/^:[A-Z]+ ACCEPT/.test(line)) continue;
    else addRule(state, own, `${part} ${table}`, line.replace(/ \[\d+:\d+\]$/, ''));
  }
  return state;
}

function addRule(state: HostState, own: RegExp, place: string, line: string): void {
  const isShared = shared.some((pattern) => pattern.test(line));
  const chain = line.replace(/^:/, '-A ').split(' ')[1] ?? '';
  const list = isShared || own.test(line) ? state.ours : state.others;
  const rules = list[`${place} ${chain}`] ?? [];
  list[`${place} ${chain}`] = rules;
  // The engine does not mind jumps that are there twice, and they are not ours alone.
  if (!isShared || !rules.includes(line)) rules.push(line);
}

interface Link {
  ifname: string;
  flags: string[];
  master?: string;
  linkinfo?: { info_kind?: string };
  addr_info: { local: string; prefixlen: number }[];
}

function describeLinks(json: string): string[] {
  return (JSON.parse(json) as Link[])
    .filter(({ linkinfo }) => ['bridge', 'veth'].includes(linkinfo?.info_kind ?? ''))
    .map(({ ifname, flags, master, addr_info }) => {
      const addresses = addr_info
        .map(({ local, prefixlen }) => `${local}/${prefixlen}`)
        // The kernel's own comes a moment after the link is up.
        .filter((address) => !address.startsWith('fe80:') || address.startsWith('fe80::1/'));
      const up = flags.includes('UP') ? 'up' : 'down';
      return `${ifname} ${up} ${master ?? '-'} [${addresses.sort().join(' ')}]`;
    })
    .sort();
}
