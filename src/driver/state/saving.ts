/** Writes records from the registry to the disk, from which a start reads them. */
import type { RecordStore } from '../host.js';
import { type EndpointRecord, encodeEndpoint, encodeNetwork } from './records.js';
import type { EndpointState, NetworkState } from './registry.js';

/** @param record what to write, if it is not the state's own record */
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
