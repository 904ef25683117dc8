/** What was read of FRR on this host, for `tsbridge doctor`; a part of facts.ts. */
import type { Cidr } from '../address.js';

/** A line `permit` of a prefix list of FRR. */
export interface ListedPrefix {
  readonly list: string;
  readonly cidr: Cidr;
  /** Lengths in bits of the shortest and the longest prefix within {@link cidr} that the line permits. */
  readonly least: number;
  readonly most: number;
}

/** The part of FRR's configuration by which it announces routes of this host. */
export interface FrrConfig {
  /** Protocols with a `router` line. */
  readonly protocols: readonly ('bgp' | 'ospf')[];
  /** `redistribute` lines: `connected`, `kernel`, … */
  readonly redistributed: readonly {
    readonly protocol: 'bgp' | 'ospf';
    readonly source: string;
  }[];
  readonly lists: readonly ListedPrefix[];
}

/** FRR on this host. */
export interface Routing {
  /** Those of zebra, bgpd and ospfd that run in this network namespace. */
  readonly daemons: readonly string[];
  /** What /etc/frr/frr.conf says. */
  readonly written: FrrConfig;
  /** What FRR runs with; absent: zebra does not run, or cannot be asked. */
  readonly running?: FrrConfig;
  /** IPv4 destinations of zebra's connected and kernel routes; absent as {@link running}. */
  readonly routes?: readonly Cidr[];
}
