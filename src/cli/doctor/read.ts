/** Reads the facts that the checks of `tsbridge doctor` look at. What cannot be read is named, and left out. */

import type { Config } from '../../config/config.js';
import { familyOf } from '../../core/address.js';
import { proxyTitle } from '../../core/doctor/checks/ports.js';
import type {
  Daemon,
  FactParts,
  Facts,
  HostSocket,
  KnownPort,
  OwnSettings,
  Part,
} from '../../core/doctor/facts.js';
import { defaultDevices, outerDevices } from '../../core/doctor/places.js';
import { messageOf } from '../../core/errors.js';
import type { RuleTable } from '../../core/explain/chains/rule-table.js';
import { parsePort } from '../../core/ports/port.js';
import { type FlowPort, readTranslatedFlows } from '../../host/look/doctor/flows.js';
import {
  readConntrack,
  readDisk,
  readKernel,
  readNeighbours,
  readSettingLines,
  readSettings,
  readUfwIsOn,
} from '../../host/look/doctor/kernel.js';
import { readManagedLinks } from '../../host/look/doctor/managers.js';
import {
  readHostSockets,
  readLinks,
  readRoutes,
  readSeenAddresses,
} from '../../host/look/doctor/network.js';
import { readProxyFiles, readSocketUnit } from '../../host/look/doctor/processes.js';
import { readRouting } from '../../host/look/doctor/routing.js';
import { hasSocket } from '../../host/look/doctor/sockets.js';
import { Containers } from '../../host/look/inside.js';
import { readNativeTables } from '../../host/look/native-tables.js';
import { readRuleSets } from '../../host/look/rule-sets.js';
import { leftTraces } from '../../host/trace/trace-tables.js';
import type { Status } from '../../operator/status.js';
import { AdminError } from '../admin-client.js';
import type { NamesView } from '../inventory/names.js';
import { readEngine } from './engine.js';
import { deafPorts } from './inside.js';
import { readKnown } from './records.js';
import { type ReadRules, simulate } from './simulate.js';

export interface Asking {
  readonly config: Config;
  /** Names of containers and networks. They may take seconds, so that only the part that needs them waits. */
  readonly names: Promise<NamesView>;
  request<Answer>(method: 'GET', path: string): Promise<Answer>;
}

export interface Reading {
  readonly facts: Facts;
  /** Why a part of the facts is missing or not whole, a sentence each. */
  readonly problems: readonly string[];
}

/** Paths below /proc/sys of the settings that are not of one interface. */
const settingPaths = [
  'net/ipv4/ip_forward',
  'net/ipv6/conf/all/forwarding',
  'net/ipv4/conf/all/rp_filter',
  'net/bridge/bridge-nf-call-iptables',
  'net/bridge/bridge-nf-call-ip6tables',
  'net/ipv4/ip_local_port_range',
  'net/ipv4/ip_local_reserved_ports',
] as const;

/** Names of the parts in sentences; a part without one is called by its key. */
const words: Readonly<Partial<Record<Part, string>>> = {
  records: "the daemon's records",
  rules: "iptables' rules",
  native: "tables of nft's own",
  links: 'the interfaces',
  routes: 'the routes',
  managed: 'what other programs configure',
  seen: 'the neighbours',
  sockets: 'the sockets of this host',
  deaf: 'what listens in containers',
  udpFlows: 'tracked flows of UDP',
  proxyFiles: 'the files of the proxy process',
  leftTraces: 'tables of ended traces',
  disk: 'the file system of the state folder',
  daemon: 'the daemon',
  engine: 'the engine',
  packets: 'what becomes of packets',
  routing: 'FRR',
};

export async function readHost(asking: Asking): Promise<Reading> {
  const problems: string[] = [];
  const { config, names, request } = asking;
  /** Reads one part; undefined, and a problem is noted, if that fails. */
  const part = async <P extends Part>(
    name: P,
    read: () => Promise<FactParts[P]> | FactParts[P],
  ) => {
    try {
      return await read();
    } catch (error) {
      problems.push(`${words[name] ?? name} could not be read: ${messageOf(error)}`);
      return undefined;
    }
  };
  const status = askStatus(request);
  const [records, links, routes, ruleSets, ...rest] = await Promise.all([
    part('records', async () => readKnown(config, await names)),
    part('links', readLinks),
    part('routes', readRoutes),
    readAllRules(problems),
    part('daemon', async () => daemonOf(await status)),
    part('engine', async () => readEngine(config, await status.then(pidIn))),
    part('settingLines', () => readSettingLines()),
    part('conntrack', () => readConntrack()),
    part('neighbours', () => readNeighbours()),
    part('disk', () => readDisk(config.stateDir)),
    part('ufwIsOn', () => readUfwIsOn()),
    part('seen', readSeenAddresses),
    part('plugin', async () => ({ path: config.socket, isThere: await hasSocket(config.socket) })),
    part('kernel', readKernel),
    part('socketUnit', () => readSocketUnit()),
    part('leftTraces', leftTraces),
    part('routing', () => readRouting()),
  ]);
  const [daemon, engine, settingLines, conntrack, neighbours, disk, ufwIsOn, seen, ...more] = rest;
  const [plugin, kernel, socketUnit, left, routing] = more;
  const { rules, native, toSimulate } = ruleSets;
  const devices = [
    ...new Set([...outerDevices(routes ?? []), ...defaultDevices(routes ?? [], 6, 'every table')]),
  ];
  const settings = await part('settings', () =>
    readSettings([
      ...settingPaths,
      ...devices.map((device) => `net/ipv4/conf/${device}/rp_filter`),
      ...devices.map((device) => `net/ipv6/conf/${device}/accept_ra`),
    ]),
  );
  const containers = new Containers();
  const sockets = await part('sockets', () => readHostSockets(containers));
  const ports = records?.ports ?? [];
  // Only root sees which process has a socket, on the host and in containers. `sockets` is undefined for anybody else.
  const deaf = sockets && (await part('deaf', () => deafPorts(ports, containers)));
  const udpFlows = await part('udpFlows', () => readTranslatedFlows(udpPorts(ports)));
  const proxyFiles = sockets && (await part('proxyFiles', () => readProxyFiles(proxies(sockets))));
  const bridges = new Set<string>(records?.networks.map(({ spec }) => spec.bridge));
  const own = links?.filter(({ name, master = '' }) => bridges.has(name) || bridges.has(master));
  const managed = await part('managed', () =>
    readManagedLinks((own ?? []).map(({ name }) => name)),
  );
  const facts = present({
    ...{ records, links, routes, rules, native, daemon, engine, settings, settingLines, sockets },
    routing,
    ...{
      conntrack,
      neighbours,
      disk,
      ufwIsOn,
      plugin,
      managed,
      seen,
      own: ownSettings(config, rules),
    },
    ...{ deaf, udpFlows, proxyFiles, kernel, socketUnit, leftTraces: left },
  });
  const packets = toSimulate && (await part('packets', () => simulate(facts, toSimulate)));
  return { facts: present({ ...facts, packets }), problems };
}

/** The published UDP ports, each in the family of its container. */
function udpPorts(ports: readonly KnownPort[]): FlowPort[] {
  return ports.flatMap(({ protocol, hostPort, containerIp }) => {
    const port = parsePort(hostPort);
    if (protocol !== 'udp' || port === undefined) return [];
    return { family: familyOf(containerIp), port };
  });
}

/** Process ids of the processes that hold published ports. */
function proxies(sockets: readonly HostSocket[]): number[] {
  const own = sockets.filter(({ program }) => program?.name === proxyTitle);
  return [...new Set(own.flatMap(({ program }) => program?.pid ?? []))];
}

/** The parts that were read, without keys for the others. */
function present(parts: { readonly [P in Part]?: FactParts[P] | undefined }): Facts {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined));
}

/**
 * Reads all rules. If a program for that is missing, the part is absent: with half of the rules, checks would find
 * wrong things.
 */
async function readAllRules(
  problems: string[],
): Promise<Pick<Facts, 'rules' | 'native'> & { readonly toSimulate?: ReadRules }> {
  const [four, six] = await Promise.all([readRuleSets(4), readRuleSets(6)]);
  const isNft = (warning: string) => warning.startsWith('nft ');
  // Tables of family inet are read with IPv4 and again with IPv6: one of the two is enough.
  const native = [...four.native, ...six.native.filter(({ family }) => family !== 'inet')];
  const tables = await readNativeTables(native);
  const warnings = [...new Set([...four.warnings, ...six.warnings, ...tables.warnings])];
  problems.push(...warnings);
  const iptables = [...four.tables, ...six.tables];
  const isWhole = ![...four.warnings, ...six.warnings].some((warning) => !isNft(warning));
  const ofFamily = (family: 'ip' | 'ip6') => ({
    tables: tables.tables.filter((table) => table.family === family || table.family === 'inet'),
    unread: tables.unread.filter((chain) => chain.family === family || chain.family === 'inet'),
    warnings: [],
  });
  return {
    ...(isWhole
      ? {
          rules: iptables,
          toSimulate: { iptables, native: { 4: ofFamily('ip'), 6: ofFamily('ip6') } },
        }
      : {}),
    ...(warnings.some(isNft) ? {} : { native }),
  };
}

/**
 * `ip6tables` is answered as the daemon understands `auto`: IPv6 rules are written if the engine has chains for them.
 */
function ownSettings(
  { iptables, ip6tables }: Config,
  rules: readonly RuleTable[] | undefined,
): OwnSettings {
  const engineHas = rules?.some(({ family, chains }) => family === 6 && chains.has('DOCKER'));
  return {
    writesRules: { 4: iptables, 6: ip6tables === 'auto' ? engineHas === true : ip6tables },
  };
}

/**
 * The daemon's answer, or why there is none. Never rejects, since two parts wait for it and each reports its own
 * failure.
 */
function askStatus(request: Asking['request']): Promise<Status | { readonly failed: unknown }> {
  return request<Status>('GET', '/status').catch((failed: unknown) => ({ failed }));
}

const pidIn = (status: Awaited<ReturnType<typeof askStatus>>): number | undefined =>
  'failed' in status ? undefined : status.pid;

function daemonOf(status: Awaited<ReturnType<typeof askStatus>>): Daemon {
  if ('failed' in status) {
    const { failed } = status;
    if (!(failed instanceof AdminError) || failed.why === 'forbidden') throw failed;
    return { state: failed.why === 'absent' ? 'absent' : 'silent', words: failed.message };
  }
  const { state, drift, repairs, degraded, forgotten } = status;
  const undone = Object.entries(repairs).flatMap(([concern, { steppedBack, last }]) =>
    steppedBack ? [{ concern, by: last?.author ?? 'nobody knows whom' }] : [],
  );
  return {
    ...{ state: 'answers', recovery: state, drift, undone, degraded },
    forgotten: forgotten.map(({ kind, id, bridge }) => `${kind} ${id.slice(0, 12)} on ${bridge}`),
  };
}
