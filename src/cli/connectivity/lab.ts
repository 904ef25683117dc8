/** Makes everything that a connectivity test needs (networks, containers, an outside host), and takes it away again. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  type Cidr,
  type Family,
  familyOf,
  hostCidr,
  type IpAddress,
  parseCidr,
} from '../../core/address.js';
import { chooseAddresses, type TestAddresses } from '../../core/connectivity/addresses.js';
import type { HostSettings } from '../../core/connectivity/path.js';
import { ErrorList } from '../../core/errors.js';
import type { RuleTable } from '../../core/explain/chains/rule-table.js';
import { readRuleSets } from '../../host/look/rule-sets.js';
import { takenNetworks } from '../../host/look/taken-networks.js';
import { connectOutside } from '../../host/netlink/outside-link.js';
import { type Libc, loadLibc } from '../../host/process/libc.js';
import type { NetworkModel } from '../../operator/test-networks.js';
import { type Asking, LeaseHolder } from './lease.js';
import {
  type Container,
  containerPorts,
  type MadeNetwork,
  makeContainer,
  makeNetwork,
  outsidePort,
  removeContainer,
} from './networks.js';
import { ProbeProcess } from './probe-process.js';

/** The first address of a subnet is the gateway's; containers get those behind it. */
const numbers = { first: 2, second: 3, replacement: 4, other: 2, here: 1, there: 2 } as const;
const defaultMtu = 1_500;

export interface Probes {
  readonly first: ProbeProcess;
  readonly second: ProbeProcess;
  readonly other: ProbeProcess;
  readonly outside: ProbeProcess;
  /** The container that {@link Lab.replace} puts in the place of `second`. */
  readonly replacement: ProbeProcess;
}

export interface Lab {
  readonly network: MadeNetwork;
  readonly addresses: TestAddresses;
  readonly families: readonly Family[];
  readonly probes: Probes;
  readonly first: Container;
  /** The second container; after {@link replace}, the one that took its place. */
  second: Container;
  readonly other: Container;
  /** Name of the host's end of the link to the outside host. */
  readonly uplink: string;
  readonly host: HostSettings;
  /** Removes `second`, and makes another container that has the same host ports, and another address. */
  replace(): Promise<void>;
  /** Takes everything away; all of it is gone when the promise resolves. */
  close(): Promise<void>;
}

export interface LabWishes {
  /** The id of the network whose options are taken; undefined: the default options. */
  readonly like: string | undefined;
  /** Subnets of the networks of tsbridge. */
  readonly subnets: readonly string[];
}

export async function openLab(asking: Asking, { like, subnets }: LabWishes): Promise<Lab> {
  const libc = loadLibc();
  const ours = subnets.flatMap((text) => parseCidr(text) ?? []);
  const taken = [...(await takenNetworks()), ...ours];
  const addresses = chooseAddresses(taken, Math.random);
  const opened: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    const errors = new ErrorList();
    for (const undo of opened.reverse()) await errors.attempt(async () => undo());
    if (errors.failed) throw new Error(errors.message);
  };
  try {
    // The lease ends before the probes: the daemon removes links from namespaces of probes, which have to be there for
    // that.
    const probes = await startProbes((probe) => opened.push(() => probe.close()));
    const lease = await LeaseHolder.begin(asking, like);
    opened.push(() => lease.end());
    return Object.assign(await furnish(libc, lease, addresses, probes), { close });
  } catch (error) {
    await close().catch((undoError: Error) => {
      const { message } = error as Error;
      // A daemon that has gone is the reason of both.
      if (undoError.message === message) return;
      throw new Error(`${message}; and removing it: ${undoError.message}`);
    });
    throw error;
  }
}

async function startProbes(keep: (probe: ProbeProcess) => void): Promise<Probes> {
  const start = async (name: string): Promise<ProbeProcess> => {
    const probe = await ProbeProcess.start(name);
    keep(probe);
    return probe;
  };
  const started = await Promise.allSettled([
    start('the first container'),
    start('the second container'),
    start('the container of another network'),
    start('the outside host'),
    start('the container that replaces the second one'),
  ]);
  const [first, second, other, outside, replacement] = started.map((each) => {
    if (each.status === 'rejected') throw each.reason;
    return each.value;
  });
  if (!first || !second || !other || !outside || !replacement) {
    throw new Error('a probe is missing');
  }
  return { first, second, other, outside, replacement };
}

async function furnish(
  libc: Libc,
  lease: LeaseHolder,
  addresses: TestAddresses,
  probes: Probes,
): Promise<Omit<Lab, 'close'>> {
  const ipv6 = hasIpv6();
  const model = lease.model ?? defaultModel(ipv6 && lease.ipv6);
  const network = await makeNetwork(lease, model, addresses.tested);
  const { spec } = network;
  const plain = { ...defaultModel(model.ipv6), ipv4: model.ipv4 };
  const otherNetwork = await makeNetwork(lease, plain, addresses.other);
  const uplink = `tsb-${randomBytes(4).toString('hex')}`;
  const linkFamilies: readonly Family[] = ipv6 || model.ipv6 ? [4, 6] : [4];
  const of = (number: number) => linkFamilies.map((family) => addresses.uplink[family].at(number));
  const { hostBinding: binding } = spec;
  await connectOutside(libc, {
    namespacePath: probes.outside.namespace,
    name: uplink,
    mtu: Math.max(defaultMtu, spec.mtu ?? 0),
    here: of(numbers.here),
    there: of(numbers.there),
    routes: [
      ...routesOf(network, otherNetwork),
      ...(binding === undefined || !linkFamilies.includes(familyOf(binding))
        ? []
        : [hostCidr(binding)]),
    ],
  });
  const make = (
    made: MadeNetwork,
    blocks: TestAddresses['tested'],
    name: 'first' | 'second' | 'other' | 'replacement',
    publishes?: 'any' | Container['ports'],
  ) => makeContainer(libc, lease, made, blocks, probes[name], numbers[name], publishes);
  const first = await make(network, addresses.tested, 'first');
  const ports = spec.internal ? undefined : 'any';
  const second = await make(network, addresses.tested, 'second', ports);
  const other = await make(otherNetwork, addresses.other, 'other');
  const families = ([4, 6] as const).filter((family) => first.addresses[family] !== undefined);
  await Promise.all([
    ...[probes.second, probes.replacement].flatMap((probe) =>
      Object.values(containerPorts).map((port) => probe.serve(port, families)),
    ),
    probes.outside.serve(outsidePort, linkFamilies),
  ]);
  const lab = {
    ...{ network, addresses, families, probes, first, second, other, uplink },
    host: await readHost(ipv6),
    replace: async () => {
      const former = lab.second;
      await removeContainer(lease, network, former);
      lab.second = await make(network, addresses.tested, 'replacement', former.ports);
    },
  };
  return lab;
}

/** IPv4, and IPv6 where the host has it; everything else as Docker has it by default. */
function defaultModel(ipv6: boolean): NetworkModel {
  const options = {
    'com.docker.network.generic': {},
    ...(ipv6 ? { 'com.docker.network.enable_ipv6': true } : {}),
  };
  return { options, ipv4: true, ipv6 };
}

function routesOf(...networks: readonly MadeNetwork[]): Cidr[] {
  return networks.flatMap(({ spec: { ipv4, ipv6 } }) =>
    [ipv4, ipv6].flatMap((own) =>
      own === undefined
        ? []
        : [own.subnet, ...(own.hostAddress === undefined ? [] : [hostCidr(own.hostAddress)])],
    ),
  );
}

function setting(path: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/net/${path}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Of a new interface. */
const hasIpv6 = () => setting('ipv6/conf/default/disable_ipv6') === '0';

async function readHost(ipv6: boolean): Promise<HostSettings> {
  const [four, six] = await Promise.all([readRuleSets(4), readRuleSets(6)]);
  return {
    ipv6,
    forwardDrops: { 4: drops(four.tables), 6: drops(six.tables) },
    bridgeFiltered: {
      4: setting('bridge/bridge-nf-call-iptables') === '1',
      6: setting('bridge/bridge-nf-call-ip6tables') === '1',
    },
  };
}

function drops(tables: readonly RuleTable[]): boolean {
  return tables.some(
    ({ name, chains }) => name === 'filter' && chains.get('FORWARD')?.policy === 'DROP',
  );
}

/** This host's address on the link to the outside host. */
export function uplinkAddress({ addresses }: Pick<Lab, 'addresses'>, family: Family): IpAddress {
  return addresses.uplink[family].at(numbers.here).address;
}

export function outsideAddress({ addresses }: Pick<Lab, 'addresses'>, family: Family): IpAddress {
  return addresses.uplink[family].at(numbers.there).address;
}
