/** From the registry to the disk: what a start will find. */
import type { RecordStore } from '../host.js';
import { type EndpointRecord, encodeEndpoint, encodeNetwork } from './records.js';
import type { EndpointState, NetworkState } from './registry.js';

/** @param record what the disk shall say, if it is not what memory says */
export async function saveEndpoint(
  { store }: { readonly store: RecordStore },
  { spec, record: current }: EndpointState,
  record: EndpointRecord = current,
): Promise<void> {
  await store.write('endpoint', spec.id, encodeEndpoint(record));
}

export async function saveNetwork(
  { store }: { readonly store: RecordStore },
  { spec, record }: NetworkState,
): Promise<void> {
  await store.write('network', spec.id, encodeNetwork(record));
}
