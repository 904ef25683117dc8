/** What was read of FRR on this host, for `tsbridge doctor`; a part of facts.ts. */
import type { Cidr, Family } from '../address.js';

/** An entry of a prefix list of FRR. */
export interface ListedPrefix {
  readonly list: string;
  /** false: the entry denies. Of the entries that a prefix fits, the one with the smallest number decides. */
  readonly isPermitted: boolean;
  readonly cidr: Cidr;
  /** Lengths in bits of the shortest and the longest prefix within {@link cidr} that fit the entry. */
  readonly least: number;
  readonly most: number;
  /** Absent: the line has no number, and FRR gives the entry one that puts it behind all entries before it. */
  readonly sequence?: number;
}

/** A `redistribute` line of a router in the default VRF, which has the host's own routing tables. */
export interface Redistributed {
  readonly protocol: 'bgp' | 'ospf';
  /** The address family of the routes. */
  readonly family: Family;
  /** `connected`, `kernel`, … */
  readonly source: string;
  /** The route map that says which of them; absent: all. */
  readonly map?: string;
}

/** The part of FRR's configuration by which it announces routes of this host. */
export interface FrrConfig {
  /** Protocols with a `router` line in the default VRF. */
  readonly protocols: readonly ('bgp' | 'ospf')[];
  readonly redistributed: readonly Redistributed[];
  readonly lists: readonly ListedPrefix[];
}

/** FRR on this host. */
export interface RoutingFacts {
  /** Those of zebra, bgpd and ospfd that run in this network namespace. */
  readonly daemons: readonly string[];
  /** What /etc/frr/frr.conf says. */
  readonly written: FrrConfig;
  /** What FRR runs with; absent: zebra does not run, or cannot be asked. */
  readonly running?: FrrConfig;
  /** IPv4 destinations of zebra's connected and kernel routes; absent as {@link running}. */
  readonly routes?: readonly Cidr[];
}
