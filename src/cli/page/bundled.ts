/** Reads what the page tells of a host from a bundle of `tsbridge diags`. The host on which this runs is asked for nothing. */
import { messageOf } from '../../core/errors.js';
import type { PageFacts } from '../../operator/page/facts.js';
import { BadBundle } from '../explain/bundle/archive.js';
import { openBundle } from '../explain/bundle/host.js';
import { reachThrough } from '../inventory/reach.js';
import { pageInventory } from './inventory.js';
import { local, mostReach, type PageWishes, tooManyPorts } from './read.js';
import { withWays } from './ways.js';

/** @throws {BadBundle} */
export async function readBundledPage(
  path: string,
  { terminal, version, reach }: Pick<PageWishes, 'terminal' | 'version' | 'reach'>,
): Promise<PageFacts> {
  const bundle = await openBundle(path);
  const { view, at, interfaces } = bundle;
  try {
    const endpoints = view.endpoints();
    const items = view.ports(endpoints);
    const isReached = reach && items.length <= mostReach;
    const rules = (family: 4 | 6) => ({
      ...{ tables: bundle.tables(family), unread: bundle.unread, warnings: [] },
    });
    const reached = isReached
      ? await reachThrough(items, view, bundle.answers, { 4: rules(4), 6: rules(6) })
      : items;
    const inventory = pageInventory(
      view.networks(),
      endpoints.map((endpoint) => view.endpointItem(endpoint)),
      reached,
    );
    const { networks, containers } = inventory;
    const ways = await withWays(inventory.ports, [`--from=${path}`], terminal);
    return {
      ...{ at, version, networks, containers },
      host: 'The host of a bundle',
      source: 'a bundle of tsbridge diags',
      status: [],
      warnings: [
        ...bundle.warnings,
        'a bundle does not have findings, events, and what listens inside of containers',
        ...(reach && !isReached ? [tooManyPorts] : []),
        ...ways.warnings,
      ],
      uplinks: local(interfaces.uplinks, inventory.ports),
      bridges: interfaces.bridges.filter(
        ({ name }) => !networks.some(({ bridge }) => bridge === name),
      ),
      ports: ways.ports,
      ...{ findings: undefined, notChecked: [], events: undefined, lastEvent: '' },
    };
  } catch (error) {
    // A bundle that passes the allow-list may still lack values, or have them where tsbridge diags does not write them.
    throw new BadBundle(`${path} has what tsbridge diags does not write: ${messageOf(error)}`);
  } finally {
    bundle.answers.close();
  }
}
