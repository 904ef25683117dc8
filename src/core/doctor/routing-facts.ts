/** What was read of FRR on this host, for `tsbridge doctor`; a part of facts.ts. */
import type { Cidr } from '../address.js';

/** A line `permit` of one of FRR's prefix lists. */
export interface ListedPrefix {
  readonly list: string;
  readonly cidr: Cidr;
  /** Shortest and longest prefixes within {@link cidr} that it is about. */
  readonly least: number;
  readonly most: number;
}

/** What of FRR's configuration is about telling others of this host's routes. */
export interface FrrConfig {
  /** Those with a `router` line. */
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
