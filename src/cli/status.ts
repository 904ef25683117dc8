/** `tsbridge status`: how the daemon is, and whether the host is as it should be. */

import type { WatchStatus } from '../driver/repair/debounce.js';
import type { Status } from '../operator/status.js';
import { adminCommand } from './admin-command.js';
import { columns, exitCodes } from './command.js';

export const statusCommand = adminCommand<never, Status>({
  name: 'status',
  summary: 'how the daemon is, and whether the host is as it should be',
  help: {
    usage: 'status',
    about: '',
    flags: [],
    exits: {
      ok: 'it runs, and everything is as it should be',
      failed: 'it does not run, or does not answer',
      differs: 'it runs, and something is degraded or has to be repaired',
    },
  },
  switches: [],
  ask: ({ request }) => request('GET', '/status'),
  show,
  exitCode: (status) => (isSound(status) ? exitCodes.ok : exitCodes.differs),
});

function isSound({ state, drift, degraded }: Status): boolean {
  return state === 'serving' && drift.count === 0 && degraded.length === 0;
}

function show(status: Status): string {
  const { repairs, drift, degraded, proxy } = status;
  const rows: [string, string][] = [
    ['daemon', `${status.version}, process ${status.pid}, since ${status.startedAt}`],
    ['state', status.state],
    ['rules', `${status.generation}; IPv4: ${status.iptables}, IPv6: ${status.ip6tables}`],
    ['networks', String(status.networks)],
    ['endpoints', String(status.endpoints)],
    ['published ports', String(status.publishedPorts)],
    [
      'proxy',
      proxy === null
        ? 'not running'
        : `${proxy.listeners} listeners, ${proxy.connections} connections`,
    ],
    ['daemon runs', `build ${status.build}, Node.js ${status.node}`],
    [
      'proxy runs',
      proxy === null ? '–' : `build ${proxy.build}, Node.js ${proxy.node}, process ${proxy.pid}`,
    ],
    ['longest stall', `${status.longestStallMs} ms`],
    ...Object.entries(repairs).map(([what, watch]): [string, string] => [
      `repairs of ${what}`,
      showWatch(watch),
    ]),
    ['to be repaired', drift.count === 0 ? 'nothing' : `${drift.count} changes`],
    ...drift.first.map((line): [string, string] => ['', line]),
    ['degraded', degraded.length === 0 ? 'nothing' : degraded.join('; ')],
  ];
  return columns(rows);
}

function showWatch({ repairs, last, steppedBack }: WatchStatus): string {
  if (last === undefined) return steppedBack ? 'none: they fail' : 'none';
  const causes = Object.entries(repairs).map(([program, count]) => `${program}: ${count}`);
  return (
    `${causes.join(', ')}; last ${last.at}, ${last.count} changes in ` +
    `${Math.round(last.durationMs)} ms, because of ${last.author}` +
    (steppedBack ? '; stepped back' : '')
  );
}
