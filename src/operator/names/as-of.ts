/** The time that people are shown beside names; nothing is decided by it. */

/** RFC 3339, UTC. */
export function asOfNow(): string {
  return new Date().toISOString();
}
