/** What the command and its probes say to each other: one line of JSON for each question and each answer. */
import type { Family } from '../core/address.js';
import type { Probe } from '../core/connectivity/path.js';

export interface Question {
  readonly probe: Probe;
  readonly family: Family;
  readonly address: string;
  /** 0 for a ping. */
  readonly port: number;
  /** Milliseconds to wait for an answer. */
  readonly timeoutMs: number;
  /** Source port of a UDP probe; absent: any free one. */
  readonly sourcePort?: number;
  /** Length of the packet with its headers, for `packet`. */
  readonly bytes?: number;
}

export type Answer =
  /** @member seen the address that the server has seen as the source; empty for a ping */
  | { readonly answered: true; readonly seen: string; readonly ms: number }
  /** @member why a code of the kernel (`ECONNREFUSED`), or `silent` */
  | { readonly answered: false; readonly why: string };

/** `serve`: answers on this port from now on, by TCP and UDP, on all addresses; `ask`: sends. */
export type Order =
  | {
      readonly id: number;
      readonly do: 'serve';
      readonly port: number;
      readonly families: readonly Family[];
    }
  | { readonly id: number; readonly do: 'ask'; readonly question: Question };

/** What a probe writes to its command. The first line is `{"id": 0}`, as soon as the probe is in its namespace. */
export interface Reply {
  readonly id: number;
  readonly answer?: Answer;
  /** Why the order could not be carried out. */
  readonly error?: string;
}
