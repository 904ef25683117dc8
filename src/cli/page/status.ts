/** What `tsbridge status` says, as far as the head of the page has it. */
import type { Status } from '../../operator/status.js';

/** @param item of the document of `status`; undefined: the daemon does not run */
export function statusRows(item: unknown): (readonly [name: string, value: string])[] {
  if (item === undefined) return [['daemon', 'does not run, or could not be asked']];
  const { version, state, startedAt, generation, iptables, ip6tables, drift, degraded, repairs } =
    // `tsbridge status` has checked its document against the schema.
    item as Status;
  const repaired = Object.entries(repairs).flatMap(([what, { last }]) =>
    last === undefined ? [] : [{ what, ...last }],
  );
  const last = repaired.sort((a, b) => (a.at < b.at ? 1 : -1))[0];
  return [
    ['daemon', `${version}, ${state}, since ${startedAt}`],
    ['rules', `as of ${generation}; IPv4: ${iptables}, IPv6: ${ip6tables}`],
    ['to be repaired', drift.count === 0 ? 'nothing' : `${drift.count} changes`],
    [
      'last repair',
      last === undefined ? 'none' : `${last.at}: ${last.what}, because of ${last.author}`,
    ],
    ['degraded', degraded.length === 0 ? 'nothing' : degraded.join('; ')],
  ];
}
