/**
 * What the daemon tells of what it does, once, where it happens. Who listens (events, metrics) is the
 * composition root's business; telling costs one call and waits for nothing.
 */
import type { Family } from '../core/address.js';
import type { ErrorCode } from '../core/errors.js';
import type { EndpointId, NetworkId } from '../core/names.js';

/** How many ports or changes an event shows; it tells how many there were in all. */
export const shownInEvent = 5;

/** A call of an engine was answered. */
export interface CallServed {
  readonly kind: 'call';
  /** Of the protocol, or `other` for a URL that is none: clients choose URLs. */
  readonly method: string;
  readonly network?: NetworkId | undefined;
  readonly endpoint?: EndpointId | undefined;
  readonly durationMs: number;
  readonly code: 'ok' | ErrorCode;
}

/** Something that others had changed was put right. */
export interface Repaired {
  readonly kind: 'repair';
  /** The concern: `rules`, `links`, … */
  readonly what: string;
  /** Who had changed it, in words; `unknown` if the kernel does not say. */
  readonly by: string;
  /** Their names; others choose them. */
  readonly programs: readonly string[];
  readonly count: number;
  readonly first: readonly string[];
  /** From the first sign to the end of the repair. */
  readonly durationMs: number;
}

/** The host was compared, and differs from what it should be. */
export interface Drifted {
  readonly kind: 'drift';
  readonly what: string;
  /** undefined: how much was not counted. */
  readonly count: number | undefined;
  readonly first: readonly string[];
}

/** Ports of an endpoint lead to it from now on, or do so no more. */
export interface PortsChanged {
  readonly kind: 'published' | 'released';
  /** Who asked for them. */
  readonly by: 'docker' | 'operator';
  readonly network: NetworkId;
  readonly endpoint: EndpointId;
  readonly count: number;
  /** `0.0.0.0:8080/tcp` */
  readonly first: readonly string[];
}

/** Something does not work as it should, or does so again. */
export interface ConditionChanged {
  readonly kind: 'degraded' | 'recovered';
  readonly reason: string;
  readonly text: string;
}

/** The names of containers and networks are known, or are not up to date any more. */
export interface NamesChanged {
  readonly kind: 'names';
  readonly state: 'current' | 'stale';
  readonly text: string;
}

/** The daemon has removed by itself what the engine has forgotten. */
export interface OrphansCollected {
  readonly kind: 'collected';
  readonly count: number;
  /** What was removed: `network 0123456789ab (br-0123456789ab)`. */
  readonly first: readonly string[];
}

/** An operator has asked for a change. */
export interface OperatorActed {
  readonly kind: 'operator';
  /** `reconcile`, `forget`, `publish`, … */
  readonly action: string;
  readonly text: string;
}

/** What an operator can read afterwards (`tsbridge events`). */
export type Event =
  | CallServed
  | Repaired
  | Drifted
  | PortsChanged
  | ConditionChanged
  | NamesChanged
  | OrphansCollected
  | OperatorActed;

export const eventKinds = [
  ...(['call', 'repair', 'drift', 'published', 'released'] as const),
  ...(['degraded', 'recovered', 'names', 'collected', 'operator'] as const),
] satisfies readonly Event['kind'][];

export type EventKind = (typeof eventKinds)[number];

/** What is only counted. */
export type Measurement =
  /** One transaction of a family's rules, by whatever writes them. */
  | {
      readonly kind: 'commit';
      readonly family: Family;
      readonly backend: string;
      readonly ok: boolean;
      readonly changes: number;
      readonly durationMs: number;
    }
  /** How long work waited for its turn. */
  | { readonly kind: 'wait'; readonly for: 'network'; readonly durationMs: number }
  | { readonly kind: 'repair-failed'; readonly what: string }
  /** Another program has changed rules. */
  | {
      readonly kind: 'foreign-change';
      readonly program: string | undefined;
      readonly families: readonly Family[];
    }
  /** The kernel had more to report than the daemon took: everything of it is looked at again. */
  | { readonly kind: 'reports-lost'; readonly of: 'rules' | 'links' }
  | { readonly kind: 'record-written'; readonly ok: boolean };

export type Happening = Event | Measurement;

export interface Telemetry {
  tell(happening: Happening): void;
}

/** For tests and tools that nobody watches. */
export const untold: Telemetry = { tell: () => undefined };
