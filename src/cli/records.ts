/** Reads the registry from the daemon's records, for commands that answer without the daemon. */
import type { Config } from '../config/config.js';
import { messageOf } from '../core/errors.js';
import type { StoredRecord } from '../driver/host.js';
import type { Registry } from '../driver/state/registry.js';
import { AdminError } from './admin-client.js';

/**
 * The registry as a start of the daemon would make it. Imports what it needs itself, so that commands that do not need it
 * load nothing.
 *
 * @param isWanted whether a record is to be read
 * @throws {DriverError} `record-failed` if the folder cannot be read
 */
export async function registryOfRecords(
  config: Config,
  isWanted: (record: StoredRecord) => boolean = () => true,
): Promise<Registry> {
  const [{ lookAtRecords }, { registryOf }, { frontEnds }] = await Promise.all([
    import('../host/look/records.js'),
    import('../operator/inventory/from-records.js'),
    import('../frontends/libnetwork/front-end.js'),
  ]);
  const records = lookAtRecords(config.stateDir).filter(isWanted);
  return registryOf(records, frontEnds(), config);
}

/**
 * Answers from the records in place of a daemon that could not be asked.
 *
 * @param error why the daemon could not be asked; it is thrown if the daemon did answer, with an error
 * @throws {Error} if the records cannot be read either, with both reasons
 */
export async function insteadOf<Answer>(
  error: unknown,
  fromRecords: (reason: string) => Promise<Answer>,
): Promise<Answer> {
  if (!(error instanceof AdminError) || error.reached) throw error;
  try {
    return await fromRecords(error.message);
  } catch (second) {
    throw new Error(`${error.message}; and its records: ${messageOf(second)}`);
  }
}
