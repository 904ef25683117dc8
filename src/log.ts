/**
 * The daemon's log: JSON lines on standard output, for journald or `docker logs` to keep.
 *
 * | field        | what                                                                        |
 * |--------------|-----------------------------------------------------------------------------|
 * | `level`      | `debug`, `info`, `warn`, `error`, `fatal`                                   |
 * | `time`       | RFC 3339, UTC, milliseconds                                                 |
 * | `msg`        | what happened, in words; the same words for the same kind of event          |
 * | `method`     | the engine's call, e.g. `NetworkDriver.Join`                                |
 * | `network`    | id of the network                                                           |
 * | `endpoint`   | id of the endpoint                                                          |
 * | `bridge`     | name of the bridge device                                                   |
 * | `durationMs` | how long it took, in milliseconds                                           |
 * | `outcome`    | `ok` or `error`                                                             |
 * | `error`      | object: `message`; `code` of docs/errors.md, or `stack` if it has no code    |
 *
 * A line may have more fields, named as in the code.
 */
import type { DestinationStream } from 'pino';
import { destination, pino, stdTimeFunctions } from 'pino';
import { DriverError, messageOf } from './core/errors.js';
import type { Log } from './driver/host.js';

/** Lines below `level` are dropped. */
export function createLog(
  level: 'debug' | 'info' | 'warn' | 'error' | 'fatal',
  stream: DestinationStream = standardOutput(),
): Log {
  return pino(
    {
      level,
      base: null, // journald and docker logs know the process and the host.
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError },
    },
    stream,
  );
}

/** Unbuffered, so that the last line before a crash is there. */
function standardOutput(): DestinationStream {
  const stream = destination({ dest: 1, sync: true });
  // A reader that went away (journald restarting) costs log lines, not the containers' network.
  stream.on('error', () => undefined);
  return stream;
}

function describeError(error: unknown): Record<string, unknown> {
  const message = messageOf(error);
  if (error instanceof DriverError) return { message, code: error.code };
  return error instanceof Error ? { message, stack: error.stack } : { message };
}
