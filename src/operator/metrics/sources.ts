/** Where the values come from that are read at a scrape. */
import type { DropReason } from '../../core/rules/drop-reason.js';
import type { DesiredCount } from '../../driver/firewall.js';
import type { Registry as Known } from '../../driver/state/registry.js';
import type { Names } from '../names/names.js';
import type { Problem } from '../problems.js';
import type { LagTotals } from './lag.js';

/** The parts of the daemon that know what metrics show; each is asked at a scrape. */
export interface MetricSources {
  readonly version: string;
  readonly registry: Pick<Known, 'networks' | 'endpoints' | 'unreadable' | 'publications'>;
  state(): 'recovering' | 'serving' | 'failed';
  /** The problems that are known; the host is not looked at for them. */
  problems(): readonly Problem[];
  rules(): { readonly generation: string; readonly iptables: string; readonly ip6tables: string };
  callsInFlight(): number;
  /** For how long the oldest sign of a change has waited, in milliseconds, by concern. */
  pending(): Readonly<Record<string, number>>;
  /** How many changes the last comparison found necessary, by concern. */
  drift(): Readonly<Record<string, number>>;
  longestStallMs(): number;
  /** undefined: the process does not run, or does not answer in time. */
  proxy(): Promise<ProxyNumbers | undefined>;
  proxyRestarts(): number;
  /** undefined: the daemon asks no engine for names (`--docker-socket none`). */
  names?(): Names | undefined;
  /** undefined: the engine is never asked. */
  engineQuestions(): EngineQuestions | undefined;
  /** How many rules should be there, by family and table. */
  desiredRules(): Promise<readonly DesiredCount[]>;
  /** Totals by reason; undefined: the kernel's counters cannot be read. */
  droppedPackets(): Promise<ReadonlyMap<DropReason, number> | undefined>;
  /** Deletions of tracked flows since the start, by the reason for them. */
  conntrackDeletions(): Readonly<
    Record<string, { readonly flows: number; readonly filters: number }>
  >;
  /** How many runs of `tsbridge trace` there are on this host; undefined: the kernel does not tell. */
  traces(): Promise<number | undefined>;
  loopLag(): LagTotals;
  /** Counters of the host's links, by their names. */
  links(): Promise<ReadonlyMap<string, LinkTotals>>;
  /** Whether there are series for each network and endpoint: --metrics-per-network, --metrics-per-endpoint. */
  readonly detail: { readonly networks: boolean; readonly endpoints: boolean };
}

/** Questions to the engine's API since the start. */
export interface EngineQuestions {
  readonly answered: number;
  readonly failed: number;
  /** Whether the last one was answered; undefined: none has ended yet. */
  readonly lastAnswered: boolean | undefined;
}

/** Counters of a link since it was made. Of a container's pair, the host's end sends what the container receives. */
export interface LinkTotals {
  readonly receivedBytes: number;
  readonly receivedPackets: number;
  readonly receivedDrops: number;
  readonly sentBytes: number;
  readonly sentPackets: number;
  readonly sentDrops: number;
}

export interface ProxyNumbers {
  readonly listeners: number;
  readonly connections: number;
  /** undefined: the kernel does not count them (before Linux 6.2). */
  readonly openFiles?: number | undefined;
  /** Absent: the process is of an earlier version, which does not tell. */
  readonly traffic?:
    | {
        readonly udpFlows: number;
        readonly accepted: number;
        readonly refused: number;
        readonly toContainers: number;
        readonly toClients: number;
        readonly residentBytes: number;
      }
    | undefined;
}
