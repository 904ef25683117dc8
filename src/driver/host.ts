/**
 * The outside world as the driver sees it. Each interface has its implementation in `host/` or
 * `proxy/`, and a fake in `test/fakes` that refuses what the real thing would refuse.
 *
 * Verbs: `ensure` and `remove` may be repeated; `remove` of what is absent succeeds.
 */
import type { Brand, Cidr, Family, IpAddress } from '../core/address.js';
import type { DriverError } from '../core/errors.js';
import type { Sharing } from '../core/generations/ports/udp-sockets.js';
import type {
  ContainerId,
  EndpointId,
  EngineName,
  InterfaceName,
  NetworkId,
} from '../core/names.js';
import type { LinkChange, LinkSpec, ObservedLink } from '../core/network/links.js';
import type { WaitingIn } from '../core/network/queues.js';
import type { HostRoute, ObservedHostRoute } from '../core/network/routes.js';
import type { ObservedShaping, ShapedLink, ShapingStep } from '../core/network/shaping.js';
import type { SysctlPath } from '../core/network/sysctls.js';
import type { MapChange, ObservedMap } from '../core/port-map/plan.js';
import type { Port, PortBinding } from '../core/ports/port.js';
import type { ContainerName } from '../core/publications/plan.js';
import type { Rule, Table } from '../core/rules/rule.js';
import type { RuleChange, RuleSet } from '../core/rules/rule-set.js';

export interface ObservedRoute {
  readonly destination: Cidr;
  /** Name of the interface that the route leaves by. */
  readonly interface: string;
}

/** Links, addresses and routes of the namespace that the daemon runs in. */
export interface Links {
  find(name: string): Promise<ObservedLink | undefined>;
  /** Every bridge with its addresses, and every end of a veth pair. */
  list(): Promise<ObservedLink[]>;
  /**
   * Unicast routes of the main table, without the default routes, whose destination shares an
   * address with one of these. The kernel sends all routes of that table, which takes long where there
   * are many: no call that an engine waits for should await this.
   */
  routesInto(subnets: readonly Cidr[]): Promise<ObservedRoute[]>;
  /**
   * Ports of a bridge, with the kinds of their links, those of hardware without. The kernel may send all links: no call
   * that an engine waits for should await this.
   */
  portsOf(bridge: ObservedLink): Promise<readonly Pick<ObservedLink, 'name' | 'kind'>[]>;
  /**
   * Whether a link of the host has the address. The kernel sends all addresses: no call that an engine waits for should
   * await this.
   */
  hasAddress(address: IpAddress): Promise<boolean>;
  /** Makes the link with everything in its spec, or nothing. Fails if a name is taken. */
  create(link: LinkSpec): Promise<void>;
  change(name: InterfaceName, change: LinkChange): Promise<void>;
  addAddress(name: InterfaceName, address: Cidr): Promise<void>;
  removeAddress(name: InterfaceName, address: Cidr): Promise<void>;
  /** Deletes a link: tens of milliseconds of the kernel, on a thread. Calls at the same time share one deletion. */
  remove(name: InterfaceName): Promise<void>;
}

/** Routes with our protocol number in the main table of the daemon's namespace; no others are read or changed. */
export interface Routes {
  list(): Promise<ObservedHostRoute[]>;
  /** @throws {DriverError} `route-exists` if there is a route to the destination, ours or not; else `route-failed` */
  add(route: HostRoute): Promise<void>;
  remove(route: ObservedHostRoute): Promise<void>;
}

/** Holds veth pairs of the namespace that the daemon runs in to their limits. */
export interface Shaping {
  /** Where packets wait for a limit: `unknown` until a fair queue has been seen, or the kernel was asked for one. */
  readonly waitingIn: WaitingIn;
  /**
   * What each link has, by the name of the host's end; a link that is not there is absent. Ask for many at once: the
   * kernel lists what all links have, however few are asked for.
   */
  observe(links: readonly ShapedLink[]): Promise<ReadonlyMap<InterfaceName, ObservedShaping>>;
  /**
   * Makes the steps of `planShaping`, of one link or of several. A link that is gone by now is no failure: all that it
   * had is gone with it. Neither is it a failure if the kernel has no fair queues: {@link waitingIn} is `fifo` from then on.
   *
   * @throws {DriverError} `link-failed`; no filter that leads traffic to an ifb has been added then
   */
  apply(steps: readonly ShapingStep[]): Promise<void>;
}

/** What the engine's API says of containers. No call of the engine waits for any of it. */
export interface Containers {
  /** The container of an endpoint, from memory; undefined: it is not known, or not yet. */
  of(endpoint: EndpointId): ContainerName | undefined;
  networkName(network: NetworkId): EngineName | undefined;
  /** Asks the engine; rejects if it does not answer. {@link of} knows the answer when this resolves. */
  refresh(): Promise<void>;
  /** All that the engine has, running or not; rejects if it does not answer. */
  list(): Promise<EngineObjects>;
  /** Is called whenever the answers of {@link of} may have changed. */
  onChange(listener: () => void): void;
}

export interface EngineObjects {
  readonly containers: ReadonlySet<ContainerId>;
  /** The networks of this driver. */
  readonly networks: ReadonlySet<NetworkId>;
}

/** The network namespaces of containers, by the paths that the engine gives at Join. */
export interface Sandboxes {
  /** false only if the sandbox is certainly gone. */
  isThere(path: string): Promise<boolean>;
}

/** Names one process for ever, unlike its pid, which the kernel gives out again after its end or a reboot. */
export type ProcessId = Brand<string, 'ProcessId'>;

/** The processes that call us. */
export interface Processes {
  /** true only if that is certain. */
  isGone(process: ProcessId): Promise<boolean>;
  /** The host has been booted since the process ran: no link, rule or namespace that it made is left. */
  isOfEarlierBoot(process: ProcessId): Promise<boolean>;
}

export interface Sysctls {
  /** Without white space at the ends; undefined if the kernel has no such file. */
  read(path: SysctlPath): Promise<string | undefined>;
  /** false if the kernel has no such file. Throws on every other failure. */
  write(path: SysctlPath, value: string): Promise<boolean>;
}

export interface HostPort {
  readonly family: Family;
  readonly port: Port;
}

export interface Conntrack {
  /** Forgets UDP flows to these host ports, whatever host address they were sent to. */
  removeUdpFlowsTo(hostPorts: readonly HostPort[]): Promise<void>;
  /** Forgets the same flows, and those that have begun with a datagram from one of the ports. */
  removeUdpFlowsAt(hostPorts: readonly HostPort[]): Promise<void>;
  /** Forgets flows whose replies come from or go to one of these container addresses. */
  removeFlowsOf(containers: readonly IpAddress[]): Promise<void>;
}

/**
 * Reads and changes the rules of Docker's chains, by whatever means: text for `iptables-restore`,
 * netlink, memory. What is peculiar to one of them (text, handles) stays behind this interface.
 */
export interface RuleBackend {
  /** false if the host has no rules for this family: the other methods fail for it. */
  supports(family: Family): boolean;
  /** All rules of the family, also those of other programs. The caller may change the answer. */
  read(family: Family): Promise<RuleSet>;
  /**
   * Makes these changes, which were planned on top of everything that was read and committed before:
   * all of a table's or none of them (very many come in parts), additions before deletions. When it
   * fails, what the host has is not known until it is read again.
   *
   * @throws {DriverError} `firewall-failed`, naming what was refused
   */
  commit(family: Family, changes: readonly RuleChange[]): Promise<void>;
  /** Rules like these will be committed soon: whatever can be got ready for them may be. */
  foresee(rules: readonly Rule[]): void;
  /** An engine has started: what it uses to write its rules may have changed. */
  engineStarted(): void;
  /** What cannot be written or read on this host, in words. */
  problems(family: Family): string[];
  /** Tables that the kernel turned out to lack when a commit failed: to be left out of plans. */
  missingTables(family: Family): ReadonlySet<Table>;
}

/** Our own tables of nf_tables, one in each family (core/port-map). */
export interface MapTables {
  /** Why this host cannot have the family's, as the beginning of a sentence; undefined: nothing speaks against it. */
  obstacle(family: Family): string | undefined;
  read(family: Family): Promise<ObservedMap>;
  /**
   * One transaction: all of it or nothing.
   *
   * @throws {DriverError} `firewall-failed`
   */
  commit(family: Family, change: MapChange): Promise<void>;
}

/** How rules are committed: by messages of our own to nf_tables, or by `iptables-restore`. */
export type RuleTransport = 'netlink' | 'restore';

export interface TransportCounts {
  readonly commits: number;
  readonly changes: number;
  /** The time of all of them together, each from the request to the kernel's answer. */
  readonly milliseconds: number;
}

export interface RuleCommitCounts extends Readonly<Record<RuleTransport, TransportCounts>> {
  /** Why the last commit by `iptables-restore` was not netlink's; undefined: there was none. */
  readonly lastRestore?: string;
}

/** firewalld, where it guards the host: bridges in no zone of the engine's are cut off. */
export interface Zones {
  /** Which of these bridges are in no zone; none if there is no firewalld. */
  unplaced(bridges: readonly InterfaceName[]): Promise<InterfaceName[]>;
  /** Puts bridges that are in no zone into the engine's. */
  place(bridges: readonly InterfaceName[]): Promise<void>;
  /** For a new bridge: puts it into the engine's zone, if firewalld runs. */
  add(bridge: InterfaceName): Promise<void>;
  remove(bridge: InterfaceName): Promise<void>;
}

/** Who changed something from outside, where the kernel says so. */
export interface Author {
  /** The first 15 characters of the program's name. */
  readonly program: string;
  /** As the first PID namespace counts; most such programs have ended when the report is read. */
  readonly pid: number;
}

export interface Listener {
  readonly binding: PortBinding;
  /** `forward`: carry traffic to the container; `reserve`: only keep the port from others. */
  readonly mode: 'forward' | 'reserve';
  /** See `sharingOf`; undefined: no other program may have the port at the same time. */
  readonly sharing?: Sharing | undefined;
}

/** Why a socket could not be had: the kernel's error, e.g. `EADDRINUSE`, and its system call. */
export interface ListenFailure {
  readonly listener: Listener;
  readonly code: string;
  readonly syscall: string;
}

/** The proxy process: one socket for each listener, grouped by the endpoint that owns it. */
export interface HostPorts {
  /** Starts the process if it is not there, so that a later `open` does not wait for it. */
  prepare(): void;
  /**
   * Adds listeners to those that `owner` has. Opens as many as it can, and answers with those that
   * failed; the caller decides whether to try other ports or to close all.
   */
  open(owner: EndpointId, listeners: readonly Listener[]): Promise<ListenFailure[]>;
  /**
   * As {@link open}, for ports that the owner has on record: listeners that are open already stay, and {@link repair}
   * tries those that failed again.
   */
  hold(owner: EndpointId, listeners: readonly Listener[]): Promise<ListenFailure[]>;
  /** Closes these listeners of `owner` (or all of them), with their connections. */
  close(owner: EndpointId, listeners?: readonly Listener[]): Promise<void>;
  /**
   * Ends the UDP flows of these endpoints' ports, and drops every datagram that comes to them or is an
   * answer, until {@link resumeUdp}; for 2 s at most. Nothing if the process is not there.
   */
  pauseUdp(owners: readonly EndpointId[]): Promise<void>;
  resumeUdp(owners: readonly EndpointId[]): Promise<void>;
  /**
   * Makes the process hold exactly these, keeping what it holds already, and whatever it holds for the
   * owners in `kept`, of whom the caller does not know what they should have. Answers with failures.
   */
  sync(
    wanted: ReadonlyMap<EndpointId, readonly Listener[]>,
    kept?: ReadonlySet<EndpointId>,
  ): Promise<ListenFailure[]>;
  /** Sockets that it holds and should not, and the other way round: a line each, for people. */
  differences(): Promise<string[]>;
  /** Removes these differences; answers with the lines of those that are removed. */
  repair(): Promise<string[]>;
}

export type RecordKind = 'network' | 'endpoint' | 'publication';

/** What one file holds; `unreadable` (naming the file) in place of a value that is not understood. */
export type StoredRecord = {
  readonly kind: RecordKind;
  readonly id: string;
  /** Path of the file, for messages. */
  readonly path: string;
} & ({ readonly value: unknown } | { readonly unreadable: DriverError });

/** Records, one JSON document for each network, endpoint and publication. */
export interface RecordStore {
  /** Networks first. Throws only if it cannot be found out which records there are. */
  load(): Promise<StoredRecord[]>;
  /** When it resolves, the record survives a crash of the daemon; all but an endpoint's also a power cut. */
  write(kind: RecordKind, id: string, value: unknown): Promise<void>;
  remove(kind: RecordKind, id: string): Promise<void>;
}

/** Fields of a log line; see `log.ts` for their names. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}
