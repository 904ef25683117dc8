/** Makes the registry from records alone, as the daemon does at a start; nothing is changed, and no engine is asked. */
import { messageOf } from '../../core/errors.js';
import { vethNames } from '../../core/names.js';
import type { FrontEnds } from '../../driver/front-end.js';
import type { StoredRecord } from '../../driver/host.js';
import type { DriverSettings } from '../../driver/settings.js';
import { decodePublication } from '../../driver/state/publication-records.js';
import { decodeEndpoint, decodeNetwork } from '../../driver/state/records.js';
import { Registry } from '../../driver/state/registry.js';

/** Records that cannot be read are noted in the registry's `unreadable`. */
export function registryOf(
  records: readonly StoredRecord[],
  frontEnds: FrontEnds,
  settings: DriverSettings,
): Registry {
  const registry = new Registry();
  const read = (kind: StoredRecord['kind'], add: (value: unknown) => void): void => {
    for (const stored of records) {
      if (stored.kind !== kind) continue;
      const { id, path } = stored;
      try {
        if ('unreadable' in stored) throw stored.unreadable;
        add(stored.value);
      } catch (error) {
        registry.unreadable.add({ kind, id, path, reason: messageOf(error) });
      }
    }
  };
  read('network', (value) => {
    const record = decodeNetwork(value);
    const { spec } = frontEnds.of(record).readNetwork(record.input, settings);
    registry.addNetwork(spec, record, true);
  });
  read('publication', (value) => registry.publications.add(decodePublication(value)));
  read('endpoint', (value) => {
    const record = decodeEndpoint(value);
    const network = registry.network(record.networkId);
    // An endpoint whose network is gone has no ports: only its record and perhaps its link are left.
    if (network === undefined) return;
    const { spec } = frontEnds.of(record).readEndpoint(record.input, network.spec);
    const veth = vethNames(spec.id, record.nameAttempt);
    registry.addEndpoint(network, { ...spec, veth }, record);
  });
  return registry;
}
