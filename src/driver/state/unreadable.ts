/**
 * Records that exist and cannot be understood: damaged, or of a front end that this version lacks. Their
 * files stay as they are, and no network or endpoint that they may describe is touched; all others are served.
 */
import { DriverError } from '../../core/errors.js';
import { type EndpointId, parseEndpointId } from '../../core/names.js';
import type { PortBinding } from '../../core/ports/port.js';
import type { RecordKind } from '../host.js';

export interface UnreadableRecord {
  readonly kind: RecordKind;
  readonly id: string;
  /** The file. */
  readonly path: string;
  /** One line: the file and what is wrong with it. */
  readonly reason: string;
}

/** An endpoint that can be read, on a network that cannot. */
export interface StrandedEndpoint {
  readonly id: EndpointId;
  /** Its host ports stay taken, and its sockets open. */
  readonly bindings: readonly PortBinding[];
}

export class UnreadableRecords {
  readonly #records = new Map<string, UnreadableRecord>();
  readonly #stranded: StrandedEndpoint[] = [];

  add(record: UnreadableRecord): void {
    this.#records.set(record.id, record);
  }

  strand(endpoint: StrandedEndpoint): void {
    this.#stranded.push(endpoint);
  }

  /** For the log and for status. */
  all(): UnreadableRecord[] {
    return [...this.#records.values()];
  }

  networks(): UnreadableRecord[] {
    return this.all().filter(({ kind }) => kind === 'network');
  }

  /** Endpoints whose own records cannot be read: which host ports they have is not known. */
  endpoints(): ReadonlySet<EndpointId> {
    const ids = this.all().map(({ kind, id }) =>
      kind === 'endpoint' ? parseEndpointId(id) : undefined,
    );
    return new Set(ids.filter((id) => id !== undefined));
  }

  stranded(): readonly StrandedEndpoint[] {
    return this.#stranded;
  }

  has(id: string): boolean {
    return this.#records.has(id);
  }

  /** @throws {DriverError} `record-unreadable` if one of the objects has such a record */
  refuse(...ids: readonly string[]): void {
    for (const id of ids) {
      const record = this.#records.get(id);
      if (record === undefined) continue;
      throw new DriverError(
        'record-unreadable',
        `${record.kind} ${id.slice(0, 12)} is left alone: ${record.reason}. ${remedy}`,
      );
    }
  }
}

export const remedy =
  'Start the version of tsbridge that wrote it, or restore the file from a backup, and restart ' +
  'tsbridge; if it is lost, move it away: what it describes is then no longer known to tsbridge';
