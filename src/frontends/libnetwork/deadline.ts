/** A limit on how long the engine waits: it has none of its own (docs/docker-bridge.md 7.2). */

/** The longest delay of Node's timers. A longer deadline means that there is none. */
const maxTimerMs = 2 ** 31 - 1;

/**
 * The result of `work`; or the error that `expired` answers with, if the time is up before. The work itself
 * goes on, since it cannot be stopped, and `expired` has to deal with its outcome.
 *
 * @param expired answers with the error to throw
 */
export async function withDeadline<T>(
  work: Promise<T>,
  deadlineMs: number,
  expired: () => Error,
): Promise<T> {
  if (deadlineMs > maxTimerMs) return work;
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(expired()), deadlineMs);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
