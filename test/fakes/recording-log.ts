/** A log that keeps its lines, for tests to read. */
import type { Log, LogFields } from '../../src/driver/host.js';

export interface LogLine {
  readonly level: keyof Log;
  readonly fields: LogFields;
  readonly message: string;
}

export class RecordingLog implements Log {
  readonly lines: LogLine[] = [];

  #at(level: keyof Log): Log['info'] {
    return (fields, message) => void this.lines.push({ level, fields, message });
  }

  readonly debug = this.#at('debug');
  readonly info = this.#at('info');
  readonly warn = this.#at('warn');
  readonly error = this.#at('error');
}
