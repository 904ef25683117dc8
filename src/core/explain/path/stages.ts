/** The stations of a packet's journey, and its end. */

import type { RuleStep } from '../chains/chain-walk.js';
import type { RuleTable } from '../chains/rule-table.js';
import type { RouteAnswer } from '../facts.js';
import type { NativeTable } from '../native/native-table.js';
import type { FlowState, Packet } from '../packet.js';
import type { Hook } from './hooks.js';

/** What a table belongs to: iptables of one variant, or nft itself. */
export type TableVariant = RuleTable['variant'] | NativeTable['variant'];

/** One station of the journey, in order. */
export type Stage =
  | {
      readonly kind: 'table';
      readonly hook: Hook;
      /** `filter`; for a native table with its family, `inet firewalld`. */
      readonly table: string;
      readonly variant: TableVariant;
      readonly steps: readonly RuleStep[];
      /** The packet as the table left it; absent: the table did not change it. */
      readonly packetAfter?: Packet;
    }
  | {
      readonly kind: 'tracking';
      readonly hook: Hook;
      readonly state: FlowState | 'invalid';
      /** The flow was tracked before this packet: no chain of type nat is asked. */
      readonly known?: true;
    }
  /** The kernel gives the packet the addresses that were chosen for its flow's first packet. */
  | { readonly kind: 'translation'; readonly hook: Hook; readonly packetAfter: Packet }
  | { readonly kind: 'route'; readonly route: RouteAnswer };

/** Where the journey ends. */
export type End =
  | { readonly kind: 'host' }
  | { readonly kind: 'sent'; readonly outInterface: string }
  | {
      readonly kind: 'dropped' | 'rejected';
      readonly hook: Hook;
      readonly table: string;
      readonly variant: TableVariant;
    }
  | { readonly kind: 'lost'; readonly words: string }
  | { readonly kind: 'unknown'; readonly words: string };
