/** What a call of `ports`, `ps`, `find` or `top` looks at: the inventory, names and the host. */
import type { Call, CallFlags } from '../call.js';
import type { NamesState } from '../output/envelope.js';
import type { Parameters } from '../table/entry.js';
import { namesFor } from './find.js';
import { readInventory } from './read.js';
import { type HostView, InventoryView } from './view.js';

export interface Opened {
  readonly view: InventoryView;
  /** For the report. */
  readonly head: Pick<Awaited<ReturnType<typeof readInventory>>, 'source' | 'warnings'> & {
    readonly names: InventoryView['names']['state'];
  };
}

/** Which questions the host is asked. */
export interface Wishes {
  readonly inside: boolean;
  readonly counters: boolean;
}

export async function openInventory<Words extends Parameters, Flags extends Parameters>(
  call: Call<Words, Flags & CallFlags>,
  wishes: Wishes,
): Promise<Opened> {
  const [inventory, names, { host, problems }] = await Promise.all([
    readInventory(call),
    namesFor(call),
    lookAtHost(wishes),
  ]);
  const warnings = [...inventory.warnings, ...namesWarnings(names.state), ...problems];
  return {
    view: new InventoryView(inventory, names, host),
    head: { source: inventory.source, warnings, names: names.state },
  };
}

function namesWarnings({ from, asOf, stale }: NamesState): string[] {
  if (from === 'files') return ["names are from Docker's own files: the engine does not answer"];
  return stale ? [`names are those of ${asOf}: the engine does not answer`] : [];
}

async function lookAtHost(wishes: Wishes): Promise<{ host: HostView; problems: string[] }> {
  const problems: string[] = [];
  let counters: HostView['counters'];
  if (wishes.counters) {
    try {
      counters = await (await import('../../host/look/link-counters.js')).readLinkCounters();
    } catch (error) {
      problems.push(`the counters of interfaces could not be read: ${String(error)}`);
    }
  }
  const root = process.getuid?.() === 0;
  if (wishes.inside && !root) {
    problems.push('what listens inside of containers is for root only to see: try with sudo');
  }
  const { Containers } = await import('../../host/look/inside.js');
  return {
    host: { counters, containers: wishes.inside && root ? new Containers() : undefined },
    problems,
  };
}
