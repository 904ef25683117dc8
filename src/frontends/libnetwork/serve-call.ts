/** One call: the driver's work, within its deadline. */
import { background } from '../../background.js';
import { DriverError } from '../../core/errors.js';
import { shortId } from '../../core/names.js';
import type { Log, LogFields } from '../../driver/host.js';
import type { NetworkDriver } from '../../driver/network-driver.js';
import { withDeadline } from './deadline.js';
import type { Call } from './routes.js';

export interface CallSettings {
  readonly driver: NetworkDriver;
  readonly log: Log;
  /** How long a call may take before it is answered with an error. */
  readonly deadlineMs: number;
}

/**
 * The answer's JSON.
 *
 * @param method as in the URL
 * @throws DriverError `deadline-exceeded`, and whatever the driver throws
 */
export function serveCall(method: string, call: Call, settings: CallSettings): Promise<object> {
  const work = call.run(settings.driver);
  return withDeadline(work, settings.deadlineMs, () => {
    background(settings.log, `undoing a late ${method}`, undoLate(work, method, call, settings));
    return deadlineExceeded(method, call, settings.deadlineMs);
  });
}

/** The ids as they stand in a log line; absent ones are left out. */
export function logIds({
  networkId,
  endpointId,
}: Pick<Call, 'networkId' | 'endpointId'>): LogFields {
  return {
    ...(networkId === undefined ? {} : { network: shortId(networkId) }),
    ...(endpointId === undefined ? {} : { endpoint: shortId(endpointId) }),
  };
}

export function bodyMissing(method: string): DriverError {
  return new DriverError(
    'body-missing',
    `the request has no body: the engine lost it when it repeated ${method} after the connection ` +
      'to tsbridge broke. Nothing was done; try again',
  );
}

function deadlineExceeded(method: string, call: Call, deadlineMs: number): DriverError {
  return new DriverError(
    'deadline-exceeded',
    `${method}${objectOf(call)} was not done within ${deadlineMs / 1000} s: the host is too busy, ` +
      'or something on it is stuck (the log of tsbridge says where). What it still does is ' +
      'undone; try again, or allow more time with --call-timeout',
  );
}

function objectOf({ networkId, endpointId }: Call): string {
  const endpoint = endpointId === undefined ? '' : ` of endpoint ${shortId(endpointId)}`;
  const network = networkId === undefined ? '' : ` of network ${shortId(networkId)}`;
  return endpoint === '' ? network : `${endpoint}${network.replace(' of', ' on')}`;
}

/**
 * After the deadline the engine takes the call for failed, and will never delete the network or endpoint: if
 * it is made after all, it is removed. After other calls the engine itself sends Leave and DeleteEndpoint
 * (docs/docker-bridge.md 7.3).
 */
async function undoLate(
  work: Promise<object>,
  method: string,
  call: Call,
  { driver, log }: CallSettings,
): Promise<void> {
  const fields = { method, ...logIds(call) };
  try {
    await work;
  } catch (error) {
    log.warn({ ...fields, error }, 'call failed after its deadline');
    return;
  }
  log.warn({ ...fields, undone: call.undo !== undefined }, 'call was done after its deadline');
  try {
    await call.undo?.(driver);
  } catch (error) {
    log.error({ ...fields, error }, 'undoing a call that was done after its deadline failed');
  }
}
