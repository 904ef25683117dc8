/** A limit on how long the engine waits: it has none of its own (docs/docker-bridge.md 7.2). */

/** What a timer can hold; a longer deadline is none. */
const maxTimerMs = 2 ** 31 - 1;

/**
 * `work`, or what `expired` makes of it when the time is up. The work itself goes on: nothing can
 * stop it, and its outcome is `expired`'s to look after.
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
