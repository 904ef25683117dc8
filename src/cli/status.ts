/** `tsbridge status`: how the daemon is, and whether the host is as it should be. */

import type { WatchStatus } from '../driver/repair/debounce.js';
import type { Status } from '../operator/status.js';
import { AdminError, askDaemon, readAdminArguments } from './admin-client.js';
import { type Command, columns, exitCodes } from './command.js';

export const statusCommand: Command = {
  name: 'status',
  summary: 'how the daemon is, and whether the host is as it should be',
  help: () =>
    [
      'Usage: tsbridge status [--json] [--runtime-dir DIR]\n',
      `\nFlags:\n${columns([
        ['--json', "the daemon's answer as it is"],
        ['--runtime-dir DIR', "the daemon's, if it is not the default or in its configuration"],
      ])}`,
      `\nExit status:\n${columns([
        [String(exitCodes.ok), 'it runs, and everything is as it should be'],
        [String(exitCodes.failed), 'it does not run, or does not answer'],
        [String(exitCodes.differs), 'it runs, and something is degraded or has to be repaired'],
      ])}`,
    ].join(''),
  async run(args, terminal) {
    const read = await readAdminArguments(args, ['json'], terminal);
    if (read === undefined) return exitCodes.usage;
    try {
      const status = await askDaemon<Status>(read.socketPath, 'GET', '/status');
      terminal.out(read.given.has('json') ? `${JSON.stringify(status, null, 2)}\n` : show(status));
      const sound =
        status.state === 'serving' && status.drift.count === 0 && status.degraded.length === 0;
      return sound ? exitCodes.ok : exitCodes.differs;
    } catch (error) {
      if (!(error instanceof AdminError)) throw error;
      terminal.err(`tsbridge status: ${error.message}\n`);
      return exitCodes.failed;
    }
  },
};

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
