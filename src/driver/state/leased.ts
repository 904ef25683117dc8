/** Networks that no engine knows: a command has asked for them, and they last as long as its lease. */
import type { NetworkRecord } from './records.js';

/** The front end that such networks and their endpoints are recorded with; see `driver/leases.ts`. */
export const leasedFrontEnd = 'connectivity-test';

/** Whether a network lasts as long as a lease only. After a start there are no leases, so that it goes. */
export function isLeased({
  record,
}: {
  readonly record: Pick<NetworkRecord, 'frontEnd'>;
}): boolean {
  return record.frontEnd === leasedFrontEnd;
}

/**
 * Whether a network is under a lease, and is being removed.
 *
 * @param state undefined: the network does not exist
 */
export function isLeftOfLease(
  state: { readonly record: Pick<NetworkRecord, 'frontEnd' | 'phase'> } | undefined,
): boolean {
  return state !== undefined && isLeased(state) && state.record.phase === 'removing';
}
