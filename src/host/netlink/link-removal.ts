/** Deletes links while calls add others: on one of libuv's threads, and each link by itself. */
import { awaitedLater } from '../../background.js';
import { deleteLinkRequest } from '../../codec/netlink/link-messages.js';
import { DriverError, messageOf } from '../../core/errors.js';
import type { InterfaceName } from '../../core/names.js';
import { NetlinkError } from './socket/netlink-error.js';
import { netlinkProtocol } from './socket/netlink-socket.js';
import { SharedRuns } from './socket/shared-runs.js';
import { sendWaiting } from './socket/waiting-requests.js';

/** Each link may wait for a grace period; a loaded machine makes that seconds. */
const defaultTimeoutMs = 30_000;
/**
 * A link that something in the kernel still holds hangs its deletion, which nothing can end. So many threads may
 * be lost to that, of the four which the daemon has for its files, too.
 */
const mostHanging = 2;

type Failures = Map<InterfaceName, DriverError>;

/** The links that could not be deleted, with the kernel's reason; rejects if it could not be asked. */
export type DeleteLinks = (
  names: readonly InterfaceName[],
) => Promise<ReadonlyMap<InterfaceName, NetlinkError>>;

/** Calls that arrive while a deletion runs share the next one. */
export class LinkRemoval {
  // Once each: the second deletion of a name in one batch could only find it absent.
  readonly #runs = new SharedRuns<InterfaceName>((names) => this.#delete([...new Set(names)]));
  #hanging = 0;

  constructor(
    private readonly deleteLinks: DeleteLinks = deleteOnThread,
    private readonly timeoutMs = defaultTimeoutMs,
  ) {}

  /** An absent link is success. @throws {DriverError} `link-failed` */
  remove(name: InterfaceName): Promise<void> {
    return this.#runs.join(name);
  }

  async #delete(names: readonly InterfaceName[]): Promise<Failures> {
    if (this.#hanging >= mostHanging) {
      const why = 'earlier deletions hang in the kernel (see its log: unregister_netdevice)';
      return allFailed(names, new NetlinkError('EBUSY', why));
    }
    const deletion = this.deleteLinks(names);
    const result = await this.#withinTime(deletion.then(failuresOf, (e) => allFailed(names, e)));
    if (result !== undefined) return result;
    const why = `the kernel has not finished after ${this.timeoutMs / 1_000} s`;
    return allFailed(names, new NetlinkError('ETIMEDOUT', why));
  }

  /** Waits for the deletion; undefined if it takes longer than the limit. */
  async #withinTime(deletion: Promise<Failures>): Promise<Failures | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => {
        this.#hanging += 1;
        awaitedLater(
          deletion.then(() => {
            this.#hanging -= 1;
          }),
        );
        resolve(undefined);
      }, this.timeoutMs);
    });
    const result = await Promise.race([deletion, late]);
    clearTimeout(timer);
    return result;
  }
}

async function deleteOnThread(names: readonly InterfaceName[]): ReturnType<DeleteLinks> {
  const results = await sendWaiting(netlinkProtocol.route, names.map(deleteLinkRequest));
  const failures = new Map<InterfaceName, NetlinkError>();
  for (const [index, name] of names.entries()) {
    const error = results[index];
    if (error !== undefined && error.code !== 'ENODEV') failures.set(name, error);
  }
  return failures;
}

function failuresOf(failures: ReadonlyMap<InterfaceName, NetlinkError>): Failures {
  return new Map([...failures].map(([name, error]) => [name, failed(name, error)]));
}

function allFailed(names: readonly InterfaceName[], error: unknown): Failures {
  return new Map(names.map((name) => [name, failed(name, error)]));
}

function failed(name: InterfaceName, error: unknown): DriverError {
  const message = `deleting interface ${name}: ${messageOf(error)}`;
  return new DriverError('link-failed', message, { cause: error });
}
