/** The two sources that `tsbridge explain` answers from: this host as it is now, or a bundle. */
import type { Family } from '../../core/address.js';
import type { RuleTable } from '../../core/explain/chains/rule-table.js';
import type { NativeTable } from '../../core/explain/native/native-table.js';
import type { Flow, Packet } from '../../core/explain/packet.js';
import type { HostAnswers } from '../../host/look/host-answers.js';
import type { NativeChain } from '../../host/look/rule-sets.js';
import type { Inventory, InventoryPort } from '../../operator/inventory/inventory.js';
import type { Call, CallFlags } from '../call.js';
import { noNamesView } from '../inventory/names.js';
import { openInventory } from '../inventory/open.js';
import type { InventoryView } from '../inventory/view.js';
import type { Report } from '../output/envelope.js';
import type { Parameters } from '../table/entry.js';

export interface Rules {
  readonly tables: readonly RuleTable[];
  readonly native: readonly NativeTable[];
  /** Native chains that could not be read. */
  readonly unread: readonly NativeChain[];
  readonly warnings: readonly string[];
}

export interface ExplainSource {
  readonly answers: HostAnswers;
  /** undefined: nobody asked for names. */
  readonly view: InventoryView | undefined;
  readonly head: Pick<Report<never>, 'source' | 'warnings' | 'names'>;
  /** Lines that stand before the explanation, e.g. of which time it is. */
  readonly words: readonly string[];
  rules(family: Family): Promise<Rules>;
  /** Published ports; none if nobody knows them. */
  ports(): Promise<readonly InventoryPort[]>;
  /**
   * The tracked flow that the packet belongs to; undefined: it begins a new one; `unknown`: a bundle does not have
   * flows.
   */
  knownFlow(packet: Packet): Promise<Flow | 'unknown' | undefined>;
}

/** @param named whether a place of the question is the name of a container */
export async function thisHost<Words extends Parameters, Flags extends Parameters>(
  call: Call<Words, Flags & CallFlags>,
  named: boolean,
): Promise<ExplainSource> {
  const [{ HostAnswers }, { knownFlow }, { readRuleSets }, { readNativeTables }] =
    await Promise.all([
      import('../../host/look/host-answers.js'),
      import('../../host/look/known-flow.js'),
      import('../../host/look/rule-sets.js'),
      import('../../host/look/native-tables.js'),
    ]);
  const { view, head } = named
    ? await openInventory(call, { inside: false, counters: false })
    : { view: undefined, head: withoutNames };
  return {
    ...{ view, head, words: [] },
    answers: await HostAnswers.open(),
    async rules(family) {
      const { tables, native: chains, warnings } = await readRuleSets(family);
      const native = await readNativeTables(chains);
      return {
        ...{ tables, native: native.tables, unread: native.unread },
        warnings: [...warnings, ...native.warnings],
      };
    },
    async ports() {
      const { readInventory } = await import('../inventory/read.js');
      const none: Pick<Inventory, 'endpoints'> = { endpoints: [] };
      const { endpoints } = await readInventory(call).catch(() => none);
      return endpoints.flatMap((endpoint) => endpoint.ports);
    },
    knownFlow,
  };
}

/** Stands in place of names if the question names no container: then neither the daemon nor the engine is asked. */
const withoutNames = { source: 'host', warnings: [], names: noNamesView.state } as const;

/**
 * @param ofOneFlow whether the question names the source port (`--sport`), so that the kernel may have tracked this
 *   very flow
 * @throws {BadBundle}
 */
export async function bundledHost(path: string, ofOneFlow: boolean): Promise<ExplainSource> {
  const { openBundle } = await import('./bundle/host.js');
  const { answers, view, at, warnings, tables, unread } = await openBundle(path);
  const words = `As of ${at}, by a bundle${ofOneFlow ? '' : ', of a new flow: it does not have the flows that were there'}.`;
  return {
    ...{ answers, view, words: [words, ''] },
    head: { source: 'bundle', warnings, names: view.names.state },
    async rules(family) {
      const all = tables(family);
      return {
        tables: all.filter((table): table is RuleTable => table.variant !== 'native'),
        native: all.filter((table): table is NativeTable => table.variant === 'native'),
        unread: unread.filter((chain) => chain.family !== (family === 4 ? 'ip6' : 'ip')),
        warnings: [],
      };
    },
    ports: async () => view.endpoints().flatMap((endpoint) => endpoint.ports),
    knownFlow: async () => (ofOneFlow ? 'unknown' : undefined),
  };
}
