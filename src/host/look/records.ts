/** The daemon's records as they lie in its state folder: read, never changed, whether or not it runs. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DriverError, messageOf } from '../../core/errors.js';
import type { StoredRecord } from '../../driver/host.js';
import { lookAtRecord } from '../records/read-record.js';
import { folderOf, recordKinds } from '../records/store-file.js';

/** @throws {DriverError} `record-failed` if the folder cannot be read */
export function lookAtRecords(stateDir: string): StoredRecord[] {
  return recordKinds.flatMap((kind) => {
    const folder = join(stateDir, folderOf[kind]);
    return names(folder)
      .filter((name) => name.endsWith('.json'))
      .sort()
      .map((name) => lookAtRecord(kind, name.slice(0, -'.json'.length), join(folder, name)));
  });
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    const message = `listing the records in ${folder}: ${messageOf(error)}`;
    throw new DriverError('record-failed', message, { cause: error });
  }
}
