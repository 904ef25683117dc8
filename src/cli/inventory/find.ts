/** Whom to ask for names: the daemon, the engine, what was known last, or the engine's files. */
import type { Config } from '../../config/config.js';
import type { EndpointId, NetworkId } from '../../core/names.js';
import type { Names } from '../../operator/names/names.js';
import { type NamesView, noNamesView } from './names.js';

interface Asking {
  readonly config: Config;
  readonly noNames: boolean;
}

/** Never rejects: what nobody tells has no name. */
export async function namesFor({ config, noNames }: Asking): Promise<NamesView> {
  if (noNames) return noNamesView;
  const { findNames } = await import('../find-names.js');
  return namesView(await findNames(config));
}

export function namesView(names: Names): NamesView {
  const { from, asOf, stale } = names;
  return {
    state: { from, asOf, stale },
    containerOf: (endpoint) => {
      // The daemon and its records give validated ids.
      const known = names.containerOf(endpoint as EndpointId);
      if (known === undefined) return undefined;
      const { id, name, compose } = known;
      return { id, name, ...(compose === undefined ? {} : { compose }) };
    },
    networkName: (network) => names.networkName(network as NetworkId),
  };
}
