/**
 * What the page tells of a host. Strings may be anything that others have chosen: only the page itself escapes them.
 */
import type { PathPicture } from '../picture/path-picture.js';
import type { TopologyUplink } from '../picture/topology.js';

export interface PageContainer {
  readonly name: string;
  readonly project: string | undefined;
  readonly endpoints: readonly PageEndpoint[];
}

export interface PageEndpoint {
  /** Index of the network in the list of networks; -1: it is not in the list. */
  readonly network: number;
  readonly addresses: readonly string[];
  readonly mac: string;
  readonly veth: string;
}

export interface PageNetwork {
  readonly name: string;
  readonly bridge: string;
  readonly subnets: readonly string[];
  readonly mtu: number | null;
  readonly internal: boolean;
  readonly state: string;
}

export interface PagePort {
  readonly address: string;
  /** `0.0.0.0:8080/tcp`; of a range `0.0.0.0:9000-9099/udp`. */
  readonly label: string;
  /** `:80` */
  readonly to: string;
  /** Index of the container in the list of containers; -1 if the list does not have it. */
  readonly container: number;
  readonly network: string;
  readonly path: 'dnat' | 'proxy' | 'none';
  readonly by: string;
  readonly listens: string;
  readonly isHeard: 'yes' | 'no' | 'unknown';
  /** From where it is reached; undefined: that was not worked out. */
  readonly reach: string | undefined;
  /** The way of a packet to it, and the command that follows one. */
  readonly way: PathPicture | undefined;
  /**
   * Index of the port that shows the way: a port of the same container whose way is the same, but for the numbers of
   * the ports.
   */
  readonly wayOf?: number;
  readonly from: string;
  readonly family: 4 | 6;
  readonly destination: string;
}

export interface PageFinding {
  readonly severity: 'error' | 'warning' | 'notice';
  readonly code: string;
  readonly object: string;
  readonly evidence: string;
  readonly means: string;
  readonly command: string;
}

export interface PageEvent {
  readonly at: string;
  readonly kind: string;
  readonly words: string;
}

export interface PageFacts {
  readonly host: string;
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly version: string;
  /** Who told of the networks: `the daemon`, or its records. */
  readonly source: string;
  /** Names and values, as `tsbridge status` shows them; none: the daemon does not run. */
  readonly status: readonly (readonly [name: string, value: string])[];
  /** What could not be found out, a sentence each. */
  readonly warnings: readonly string[];
  readonly uplinks: readonly TopologyUplink[];
  /** Bridges of this host that are no network of tsbridge: the engine's own, or another program's. */
  readonly bridges: readonly TopologyUplink[];
  readonly networks: readonly PageNetwork[];
  readonly containers: readonly PageContainer[];
  readonly ports: readonly PagePort[];
  /** undefined: the checks could not be done. */
  readonly findings: readonly PageFinding[] | undefined;
  readonly notChecked: readonly string[];
  /** The newest first; undefined: the daemon does not tell. */
  readonly events: readonly PageEvent[] | undefined;
  /** The id of the newest event. */
  readonly lastEvent: string;
}
