/**
 * What was read of the host for `tsbridge doctor`, at one moment. A part that could not be read is absent, and the
 * checks that need it are told as not done.
 */
import type { Cidr, Family, IpAddress, MacAddress } from '../address.js';
import type { RuleTable } from '../explain/chains/rule-table.js';
import type { Packet } from '../explain/packet.js';
import type { TableVariant } from '../explain/path/stages.js';
import type { NetworkSpec } from '../network/network.js';
import type { EgressAddress } from '../network/passage.js';
import type { Protocol } from '../ports/port.js';
import type { RoutingFacts } from './routing-facts.js';

/** One of our networks, from its record. */
export interface KnownNetwork {
  readonly spec: NetworkSpec;
  /** The engine's name of the network, else the name of its bridge. */
  readonly name: string;
}

/** A published port, from an endpoint's record. */
export interface KnownPort {
  /** {@link KnownNetwork.name} */
  readonly network: string;
  /** The container's name, else the beginning of its endpoint's id. */
  readonly container: string;
  readonly bridge: string;
  readonly protocol: Protocol;
  readonly hostIp: IpAddress;
  readonly hostPort: number;
  readonly containerIp: IpAddress;
  readonly containerPort: number;
  /** Path of the container's network namespace; absent: it has none yet. */
  readonly sandbox?: string;
}

/** A published port on which no program in its container listens. */
export interface DeafPort {
  readonly port: KnownPort;
  /** Addresses at which programs listen on the container's port, none of which is the one that packets come to. */
  readonly on: readonly IpAddress[];
}

/** A flow whose destination connection tracking translates to another address. */
export interface TranslatedFlow {
  readonly source: IpAddress;
  /** Of the first packet, as the client sent it. */
  readonly destination: IpAddress;
  readonly port: number;
  /** Where the packets go instead. */
  readonly to: IpAddress;
}

/** An address of a container, from its endpoint's record. */
export interface KnownAddress {
  /** The container's name, else the beginning of its endpoint's id. */
  readonly container: string;
  readonly bridge: string;
  readonly address: IpAddress;
  readonly mac: MacAddress;
}

export interface Records {
  readonly networks: readonly KnownNetwork[];
  readonly addresses: readonly KnownAddress[];
  readonly ports: readonly KnownPort[];
  readonly egress: readonly EgressAddress[];
  /** Records that could not be read, a sentence each. */
  readonly unreadable: readonly string[];
}

/** The daemon's settings as its next start would read them; the ones that checks need. */
export interface OwnSettings {
  readonly writesRules: Readonly<Record<Family, boolean>>;
}

export interface Link {
  readonly name: string;
  /** Kind of the link: `bridge`, `veth`, `wireguard`; empty for hardware. */
  readonly kind: string;
  readonly mtu: number;
  readonly isUp: boolean;
  /** Name of the bridge that the link is a port of; absent: of none. */
  readonly master?: string;
  readonly addresses: readonly Cidr[];
}

export interface Route {
  readonly family: Family;
  /** Absent: it is the default route. */
  readonly destination?: Cidr;
  readonly device: string;
  /** Routing table: `main`, or another name or number. */
  readonly table: string;
  /** `ra`: learned by router advertisements. */
  readonly protocol: string;
  /** Of several routes to one destination the kernel takes the one with the lowest metric. */
  readonly metric: number;
}

/** A base chain of a native table: one that iptables does not show. */
export interface NativeBase {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  /** Hook of the chain: `forward`, `input`, … */
  readonly hook: string;
  readonly policy: 'accept' | 'drop';
}

export interface Conntrack {
  readonly entries: number;
  readonly most: number;
  /** Packets that the kernel dropped because the table was full, since the start of the host. */
  readonly dropped: number;
}

export interface Neighbours {
  readonly family: Family;
  readonly entries: number;
  /** Entries that the table may have: `gc_thresh3`. */
  readonly most: number;
  /** How often the kernel found no place for an entry, since the start of the host. */
  readonly refused: number;
}

/** An interface that a program of the host configures, as the program's own files in /run tell. */
export interface ManagedLink {
  readonly name: string;
  readonly manager: 'systemd-networkd' | 'NetworkManager';
  /** The program's own word: `configured`, `managed`. */
  readonly state: string;
}

/** The link address at which the kernel has lately seen a neighbour, or was told for good that it is. */
export interface SeenAddress {
  readonly device: string;
  readonly address: IpAddress;
  /** As `ip` prints it: `02:42:ac:14:00:02`. */
  readonly mac: string;
}

/** A socket of the host itself. */
export interface HostSocket {
  readonly protocol: Protocol;
  readonly address: IpAddress;
  readonly port: number;
  /** The program that holds the socket; absent: the kernel does not tell. */
  readonly program?: { readonly pid: number; readonly name: string };
}

/** How many files the process that holds published ports has open, and how many it may open (`most`). */
export interface ProxyFiles {
  readonly pid: number;
  readonly open: number;
  readonly most: number;
}

export interface Disk {
  readonly folder: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** true: what is in the file system is lost when the host stops (tmpfs, ramfs). */
  readonly isMemory: boolean;
}

export type Daemon =
  /** No process listens on the daemon's socket. */
  | { readonly state: 'absent'; readonly words: string }
  /** A process listens there and did not answer in time, or not as the daemon does. */
  | { readonly state: 'silent'; readonly words: string }
  | ({ readonly state: 'answers' } & DaemonStatus);

export interface DaemonStatus {
  readonly recovery: 'recovering' | 'serving' | 'failed';
  /** What a repair would change at this moment: how many lines, and the first of them. */
  readonly drift: { readonly count: number; readonly first: readonly string[] };
  /** Concerns whose repairs keep being undone, with who undoes them. */
  readonly undone: readonly { readonly concern: string; readonly by: string }[];
  /** What does not work as it should, a sentence each. */
  readonly degraded: readonly string[];
  /** What the engine does not list any more, a phrase each. */
  readonly forgotten: readonly string[];
}

/** The socket by which engines find the driver. */
export interface PluginSocket {
  readonly path: string;
  readonly isThere: boolean;
}

export interface Engine {
  /** Processes named dockerd in this network namespace. */
  readonly processes: number;
  /** Whether the engine answered on its socket; undefined: `--docker-socket none`, so it is not asked. */
  readonly answers: boolean | undefined;
  readonly socket: string;
  /** Settings that dockerd and this daemon were started with differently. */
  readonly differences: readonly EngineDifference[];
  /** The settings that dockerd was started with; absent: there is no engine here, or there are several. */
  readonly settings?: EngineSettings;
}

export interface EngineSettings {
  readonly liveRestore: boolean;
  readonly pools: readonly AddressPool[];
}

/** A range from which an engine takes subnets with a prefix of `size` bits, for networks that name no subnet. */
export interface AddressPool {
  readonly base: Cidr;
  readonly size: number;
}

export interface EngineDifference {
  readonly key: string;
  readonly ours: string;
  readonly engine: string;
}

/** A line of the files from which the kernel's settings are set at the start of the host. */
export interface SettingLine {
  readonly file: string;
  /** Path below /proc/sys: `net/ipv4/ip_forward`. */
  readonly path: string;
  readonly value: string;
}

/** A packet that was simulated, and what became of it. */
export interface SimulatedPacket extends PacketToSimulate {
  readonly outcome: PacketOutcome;
}

export interface PacketToSimulate {
  /** `outgoing`: a container's to the outside; `published`: to a published port; `others`: from a bridge of others. */
  readonly kind: 'outgoing' | 'published' | 'others';
  /** What it is about: the network's name, the port, or the bridge. */
  readonly object: string;
  readonly bridge: string;
  /** The interface of the default route. */
  readonly uplink: string;
  readonly packet: Packet;
}

export type PacketOutcome =
  | { readonly end: 'sent' | 'host' | 'unknown' }
  | { readonly end: 'lost'; readonly words: string }
  | {
      readonly end: 'refused';
      readonly variant: TableVariant;
      /** `filter`; of a native table `inet firewalld`. */
      readonly table: string;
      readonly chain: string;
      /** Absent: the policy of the chain refused the packet. */
      readonly rule?: { readonly number: number; readonly text: string };
    };

/** All parts of the facts, each of which can be missing in {@link Facts}. */
export interface FactParts {
  readonly records: Records;
  readonly own: OwnSettings;
  /** Values of settings by their paths below /proc/sys, without those that the kernel does not have. */
  readonly settings: ReadonlyMap<string, string>;
  readonly settingLines: readonly SettingLine[];
  /** Of IPv4 and IPv6, in both variants of iptables. */
  readonly rules: readonly RuleTable[];
  readonly native: readonly NativeBase[];
  readonly links: readonly Link[];
  readonly routes: readonly Route[];
  readonly conntrack: Conntrack;
  readonly neighbours: readonly Neighbours[];
  /** Of bridges of networks, and of their ports. */
  readonly managed: readonly ManagedLink[];
  readonly seen: readonly SeenAddress[];
  readonly sockets: readonly HostSocket[];
  readonly deaf: readonly DeafPort[];
  /** UDP flows to published ports that are translated. */
  readonly udpFlows: readonly TranslatedFlow[];
  /** Of each process that holds published ports; one, as a rule. */
  readonly proxyFiles: readonly ProxyFiles[];
  /** Tables of traces that have ended: `tsbridge-trace-4711`. */
  readonly leftTraces: readonly string[];
  /** As uname(1) tells it: `6.1.0-18-amd64`. */
  readonly kernel: string;
  /** Whether systemd will listen for the engine's calls from the next start of the host on. */
  readonly socketUnit: 'not installed' | 'enabled' | 'disabled';
  readonly disk: Disk;
  readonly daemon: Daemon;
  readonly plugin: PluginSocket;
  readonly engine: Engine;
  readonly routing: RoutingFacts;
  readonly ufwIsOn: boolean;
  readonly packets: readonly SimulatedPacket[];
}

export type Part = keyof FactParts;
export type Facts = Partial<FactParts>;
