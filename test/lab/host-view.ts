/**
 * What a driver leaves on the host after a docker command, in a form in which two drivers can be
 * compared: everything of an engine's host that a person could look at, without the names that
 * are different each time.
 */
import type { Lab } from './lab.js';

/** Rules by chain: the order within a chain counts, the order of the chains does not. */
export interface HostView {
  /** `4 filter/FORWARD` → policy first, then the rules in order. */
  chains: Record<string, string[]>;
  links: string[];
  routes: string[];
  /** `tcp 0.0.0.0:8080`: whoever holds it. */
  sockets: string[];
  /** /proc/sys/net and /sys/class/net of the bridges, forwarding, and hairpin of their ports. */
  settings: string[];
  /** Addresses and routes in each running container, by name. */
  containers: Record<string, string[]>;
  /** Published ports in a map: see mapped-view.ts. */
  map?: string[];
}

export async function viewHost(lab: Lab): Promise<HostView> {
  const rename = await renamer(lab);
  const [rules4, rules6, snapshot, settings, containers] = await Promise.all([
    lab.saveRules(4),
    lab.saveRules(6),
    lab.snapshot(),
    lab.hostNs('sh', '-c', SETTINGS),
    viewContainers(lab),
  ]);
  const named = (line: string): string => rename(line).replace(/--dport \d+/, chosenPort);
  const renamed = (lines: readonly string[]): string[] => lines.map(rename).sort();
  return {
    chains: { ...byChain('4', rules4.map(named)), ...byChain('6', rules6.map(named)) },
    links: renamed(snapshot.links),
    routes: renamed(snapshot.routes),
    sockets: snapshot.sockets
      .map((socket) => socket.split(' ').slice(0, 2).join(' '))
      // The engines' own sockets for names in containers are at random ports.
      .filter((socket) => !socket.includes('127.0.0.11:'))
      // One socket of ours does for both families what the built-in driver's proxies do with two.
      .flatMap((socket) =>
        socket.includes(' *:')
          ? ['0.0.0.0:', '[::]:'].map((any) => socket.replace(' *:', ` ${any}`))
          : [socket],
      )
      .map((socket) => socket.replace(/:\d+$/, chosenPort))
      .sort(),
    settings: renamed(settings.split('\n').filter((line) => line !== '')),
    containers,
  };
}

/**
 * What the kernel was told about bridges and their ports, as `file:value`. Timers and counters
 * that run, and addresses that are random, are left out.
 */
const SETTINGS = `
cd /proc/sys/net
grep -sH . ipv4/ip_forward ipv6/conf/all/forwarding ipv4/conf/all/route_localnet \\
  bridge/bridge-nf-call-iptables bridge/bridge-nf-call-ip6tables
for bridge in /sys/class/net/*/bridge; do
  [ -d "$bridge" ] || continue
  name=$(basename "$(dirname "$bridge")")
  grep -sH . ipv4/conf/$name/* ipv6/conf/$name/* | grep -v stable_secret
  cd /sys/class/net
  grep -sH . $name/bridge/* $name/mtu $name/flags | grep -vE '_timer:|_id:|/root_|flush|topology'
  for port in $name/brif/*; do
    [ -e "$port" ] || continue
    veth=$(basename "$port")
    grep -sH . $veth/mtu $veth/flags $port/hairpin_mode $port/isolated $port/learning
    cd /proc/sys/net
    grep -sH . ipv4/conf/$veth/* ipv6/conf/$veth/* | grep -v stable_secret
    cd /sys/class/net
  done
  cd /proc/sys/net
done
true`;

/**
 * A host port that nobody has asked for, in the range from which hosts choose: dockerd counts up from its
 * beginning, tsbridge down from its end.
 */
export function chosenPort(text: string): string {
  const port = Number(/\d+$/.exec(text)?.[0]);
  return port >= 32768 && port <= 60999 ? text.replace(/\d+$/, '<chosen>') : text;
}

/** Replaces generated names: bridges by their network's name, veth pairs by "veth". */
export async function renamer(lab: Lab): Promise<(line: string) => string> {
  const networks = await lab.api<{ Id: string; Name: string }[]>('GET', '/networks');
  return (line) => {
    let text = line;
    for (const { Id, Name } of networks) {
      text = text.replaceAll(`br-${Id.slice(0, 12)}`, `br-<${Name}>`);
    }
    return text.replace(/\bveth[0-9a-f]{7}\b/g, 'veth');
  };
}

function byChain(family: string, rules: readonly string[]): Record<string, string[]> {
  const chains: Record<string, string[]> = {};
  let table = '';
  for (const line of rules) {
    if (line.startsWith('*')) table = line.slice(1);
    const declared = /^:(\S+) (\S+)$/.exec(line);
    if (declared) chains[`${family} ${table}/${declared[1]}`] = [`policy ${declared[2]}`];
    const rule = /^-A (\S+)/.exec(line);
    if (rule) chains[`${family} ${table}/${rule[1]}`]?.push(line);
  }
  // Empty built-in chains are there or not, depending on who looked at the table first.
  return Object.fromEntries(
    Object.entries(chains).filter(([, lines]) => lines.join() !== 'policy ACCEPT'),
  );
}

async function viewContainers(lab: Lab): Promise<Record<string, string[]>> {
  const listed = await lab.api<{ Names: string[] }[]>('GET', '/containers/json');
  const views: Record<string, string[]> = {};
  for (const { Names } of listed) {
    const name = Names[0]?.slice(1) ?? '';
    const inside = await lab.container(name);
    const addresses = await lab.exec(['ip', '-j', 'addr'], inside);
    const routes = await lab.exec(['sh', '-c', 'ip -4 route; ip -6 route'], inside);
    views[name] = [
      ...(JSON.parse(addresses) as Interface[]).map(describe),
      ...routes
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== '' && !line.startsWith('fe80::')),
    ].sort();
  }
  return views;
}

interface Interface {
  ifname: string;
  mtu: number;
  address?: string;
  flags: string[];
  addr_info: { local: string; prefixlen: number }[];
}

function describe(link: Interface): string {
  const addresses = link.addr_info
    .filter(({ local }) => !local.startsWith('fe80'))
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`);
  const up = link.flags.includes('UP') ? 'up' : 'down';
  return `${link.ifname} ${link.mtu} ${link.address} ${up} ${addresses.join(' ')}`;
}
