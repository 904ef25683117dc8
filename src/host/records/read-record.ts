/** One record's file → its value, or why it cannot be read. */
import { readFileSync, statSync, unlinkSync } from 'node:fs';
import { DriverError, messageOf } from '../../core/errors.js';
import type { RecordKind, StoredRecord } from '../../driver/host.js';

/**
 * Version of the wrapper and of what the driver writes into its `value`. It goes up when an earlier
 * version of tsbridge would not understand, or would misunderstand, what is written now. Version 1 is
 * that of tsbridge 0.1.0; `decodeNetwork` and `decodeEndpoint` read its values, too.
 */
export const recordVersion = 2;
const oldestVersion = 1;

/**
 * A file that cannot be understood is left as it is. undefined: a power cut left the file of an
 * endpoint without content, and it has been deleted.
 *
 * @throws {DriverError} `record-newer`
 */
export function readRecord(kind: RecordKind, id: string, path: string): StoredRecord | undefined {
  try {
    const text = readText(path);
    if (kind === 'endpoint' && isCutOff(text, path)) {
      unlinkSync(path);
      return undefined;
    }
    return { kind, id, path, value: readValue(kind, id, path, text) };
  } catch (error) {
    // A daemon that serves beside records of a newer version would take their host state for nobody's.
    if (error instanceof DriverError && error.code === 'record-unreadable') {
      return { kind, id, path, unreadable: error };
    }
    throw error;
  }
}

/** As {@link readRecord}, without deleting anything; a record of a newer version is unreadable, too. */
export function lookAtRecord(kind: RecordKind, id: string, path: string): StoredRecord {
  try {
    return { kind, id, path, value: readValue(kind, id, path, readText(path)) };
  } catch (error) {
    if (error instanceof DriverError) return { kind, id, path, unreadable: error };
    throw error;
  }
}

/**
 * File systems that allocate late (ext4, xfs) can keep the name and length of a file that was not
 * synced, and lose its content. Only a file that is older than the machine's start can have been
 * damaged that way.
 */
function isCutOff(text: string, path: string): boolean {
  return /^\0*$/.test(text) && statSync(path).mtimeMs < startOfMachineMs();
}

/** When the machine started, by the present clock; 0 if the kernel does not say. */
function startOfMachineMs(): number {
  const seconds = /^btime (\d+)$/m.exec(readText('/proc/stat'))?.[1];
  return Number(seconds ?? 0) * 1000;
}

/** @throws {DriverError} `record-unreadable` */
function readValue(kind: RecordKind, id: string, path: string, text: string): unknown {
  let wrapper: unknown;
  try {
    wrapper = JSON.parse(text);
  } catch (error) {
    throw unreadable(path, messageOf(error), error);
  }
  if (typeof wrapper !== 'object' || wrapper === null || !('version' in wrapper)) {
    throw unreadable(path, 'it is no record of tsbridge');
  }
  const { version } = wrapper;
  if (typeof version === 'number' && version > recordVersion) throw newer(path, version);
  if (version !== recordVersion && version !== oldestVersion) {
    throw unreadable(
      path,
      `it has version ${JSON.stringify(version)}, which no tsbridge has written`,
    );
  }
  if (!('id' in wrapper) || wrapper.id !== id || !('value' in wrapper)) {
    throw unreadable(path, `it is not the record of ${kind} ${id}`);
  }
  return wrapper.value;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw unreadable(path, messageOf(error), error);
  }
}

function unreadable(path: string, why: string, cause?: unknown): DriverError {
  return new DriverError('record-unreadable', `reading the record ${path}: ${why}`, { cause });
}

function newer(path: string, version: number): DriverError {
  return new DriverError(
    'record-newer',
    `the record ${path} was written by a newer tsbridge (it has version ${version}, and this tsbridge ` +
      `knows up to ${recordVersion}): start that tsbridge again; to go back to this one, remove the ` +
      'networks with the newer one first. Nothing was changed',
  );
}
