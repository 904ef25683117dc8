/**
 * What docs/options.md says of `tsbridge.port_rules=map`, applied to a host with the built-in driver: its rules of
 * published ports are gone, a map leads where they led, and a rule for each network accepts what the map translates.
 * All else is as it was. So both hosts can be compared, the map included.
 */
import { chosenPort, type HostView, renamer } from './host-view.js';
import type { Lab } from './lab.js';

type Family = '4' | '6';
const families = ['4', '6'] as const;

/** The networks of a host, as its engine lists them. */
interface ListedNetwork {
  readonly Name: string;
  readonly Driver: string;
  readonly Internal: boolean;
  readonly EnableIPv4?: boolean;
  readonly EnableIPv6: boolean;
  readonly Options: Readonly<Record<string, string>>;
}

export interface MappedOptions {
  readonly userlandProxy: boolean;
}

const dnat =
  /^-A DOCKER (?:! -s \S+ )?(?:-d (\S+?)\/\d+ )?.*-p (tcp|udp|sctp) -m \2 --dport (\S+) -j DNAT --to-destination \[?([^\]]+?)\]?:(\d+)$/;
const accept = /^-A DOCKER -d (\S+?)\/\d+ .*-p (tcp|udp|sctp) -m \2 --dport (\d+) -j ACCEPT$/;
const hairpin =
  /^-A POSTROUTING -s (\S+?)\/\d+ -d \1\/\d+ -p (tcp|udp|sctp) -m \2 --dport (\d+) -j MASQUERADE$/;
const loopbackDrop =
  /^-A PREROUTING -d (127\.\S+?)\/\d+ ! -i lo -p (tcp|udp|sctp) -m \2 --dport \S+ -j DROP$/;
const spared = /^-A DOCKER -i (\S+) -j RETURN$/;
const ofNetwork = /^-A DOCKER ! -i (\S+) -o \1 -m conntrack --ctstate DNAT -j ACCEPT$/;
/** docker0's network never has a map. */
const ofDocker0 = /^172\.17\./;

/** The built-in driver's host, as it would be with ports in a map. */
export async function expectMapped(
  lab: Lab,
  view: HostView,
  { userlandProxy }: MappedOptions,
): Promise<HostView> {
  const listed = await lab.api<ListedNetwork[]>('GET', '/networks');
  const networks = listed.filter(({ Name, Driver }) => Driver === 'bridge' && Name !== 'bridge');
  const chains = { ...view.chains };
  const map: string[] = [];
  for (const family of families) {
    if (chains[`${family} filter/DOCKER`] === undefined) continue;
    const { elements, translated } = readPorts(chains[`${family} nat/DOCKER`] ?? [], userlandProxy);
    const isPort = (pattern: RegExp) => (line: string) => {
      const [, address, protocol, port] = pattern.exec(line) ?? [];
      return address !== undefined && translated.has(`${protocol} ${address} ${port}`);
    };
    const itself = (chains[`${family} nat/POSTROUTING`] ?? []).filter(isPort(hairpin));
    if (!userlandProxy) {
      const addresses = itself.map((line) => hairpin.exec(line)?.[1] ?? '');
      elements.push(...[...new Set(addresses)].map((each) => `itself ${each} . ${each}`));
    }
    const isMapped = networks.some((network) => !network.Internal && has(network, family));
    if (isMapped) {
      for (const line of chains[`${family} nat/DOCKER`] ?? []) {
        const [, bridge] = spared.exec(line) ?? [];
        if (bridge !== undefined) elements.push(`bridges "${bridge}"`);
      }
    }
    const isTranslated = (line: string) => {
      const [, , , , address = ''] = dnat.exec(line) ?? [];
      return address !== '' && !ofDocker0.test(address);
    };
    without(chains, `${family} nat/DOCKER`, isTranslated);
    without(chains, `${family} nat/POSTROUTING`, isPort(hairpin));
    without(chains, `${family} filter/DOCKER`, isPort(accept));
    without(chains, `${family} raw/PREROUTING`, (line) => loopbackDrop.test(line));
    map.push(...elements.map((each) => `${family} ${each}`));
    for (const network of networks.filter((each) => isAccepted(each, family))) {
      map.push(`${family} accepted ${bridgeOf(network)}`);
    }
  }
  return { ...view, chains, map: map.sort() };
}

/** Our host: its map, and the rules that accept what it translates, apart from the others. */
export async function viewMapped(lab: Lab, view: HostView): Promise<HostView> {
  const chains = { ...view.chains };
  const map: string[] = [];
  const rename = await renamer(lab);
  for (const family of families) {
    const table = family === '4' ? 'ip' : 'ip6';
    const listed = await lab.hostNs('sh', '-c', `nft list table ${table} tsbridge 2>&1 || true`);
    for (const set of ['ports', 'bridges', 'itself', 'loopback']) {
      const pattern = new RegExp(`\\t(?:map|set) ${set} \\{[^}]*elements = \\{([^}]*)\\}`, 's');
      const [, elements = ''] = pattern.exec(listed) ?? [];
      for (const element of elements.split(',')) {
        const text = element.trim();
        if (text !== '')
          map.push(rename(`${family} ${set} ${text}`).replace(/ \d+(?= :|$)/, chosenPort));
      }
    }
    const rules = chains[`${family} filter/DOCKER`] ?? [];
    without(chains, `${family} filter/DOCKER`, (line) => {
      const [, bridge] = ofNetwork.exec(line) ?? [];
      // Anywhere else than above all other rules of the network it is a difference.
      const first = rules.find((rule) => rule.includes(` -o ${bridge} `));
      if (bridge === undefined || first !== line) return false;
      map.push(`${family} accepted ${bridge}`);
      return true;
    });
  }
  return { ...view, chains, map: map.sort() };
}

/** Elements that lead where rules lead, and the ports of containers that they lead to. */
function readPorts(lines: readonly string[], userlandProxy: boolean) {
  const elements: string[] = [];
  const translated = new Set<string>();
  for (const line of lines) {
    const [, host, protocol, port, address = '', inside] = dnat.exec(line) ?? [];
    if (address === '' || ofDocker0.test(address)) continue;
    translated.add(`${protocol} ${address} ${inside}`);
    const leads = (key: string) => {
      elements.push(`ports ${key} . ${protocol} . ${port} : ${address} . ${inside}`);
    };
    const isLoopback = host?.startsWith('127.') ?? false;
    if (isLoopback) elements.push(`loopback ${host} . ${protocol} . ${port}`);
    // What the host sends to a loopback address is carried by the proxy; of IPv6, without the userland proxy, too.
    if (host === '::1' || (isLoopback && userlandProxy)) continue;
    leads(host ?? (address.includes(':') ? '::' : '0.0.0.0'));
    if (host === undefined && !address.includes(':') && !userlandProxy) leads('127.0.0.0');
  }
  return { elements, translated };
}

function without(
  chains: Record<string, string[]>,
  name: string,
  isGone: (line: string) => boolean,
): void {
  const left = chains[name]?.filter((line) => !isGone(line));
  // As in a view: empty chains of the kernel's hooks are there or not, depending on who looked at the table first.
  if (left === undefined || left.join() === 'policy ACCEPT') delete chains[name];
  else chains[name] = left;
}

const has = ({ EnableIPv4 = true, EnableIPv6, Options }: ListedNetwork, family: Family) =>
  (family === '4' ? EnableIPv4 : EnableIPv6) && modeOf(Options, family) !== 'routed';

const modeOf = (options: ListedNetwork['Options'], family: Family): string =>
  options[`com.docker.network.bridge.gateway_mode_ipv${family}`] ?? 'nat';

const isAccepted = (network: ListedNetwork, family: Family): boolean =>
  !network.Internal && has(network, family) && modeOf(network.Options, family) === 'nat';

const bridgeOf = ({ Name, Options }: ListedNetwork): string =>
  Options['com.docker.network.bridge.name'] ?? `br-<${Name}>`;
