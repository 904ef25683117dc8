/** `tsbridge status`: how the daemon is, and whether the host is as it should be. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { WatchStatus } from '../../../driver/repair/debounce.js';
import type { Status } from '../../../operator/status.js';
import { reportCommand } from '../../define.js';
import { nothing, type TerminalText } from '../../output/fit.js';
import { columns } from '../../output/lines.js';
import { flag, optional } from '../../table/entry.js';
import { duration } from '../../table/kinds.js';

export const statusCommand = reportCommand({
  name: 'status',
  summary: 'how the daemon is, and whether the host is as it should be',
  about: [
    'With --wait it asks until the answer is yes: for scripts that go on when networks are served, after a start or an ' +
      'update.',
  ],
  words: {},
  flags: {
    wait: optional(
      { ...duration(1, 3600), alone: '60' },
      'ask until everything is as it should be, for 60 or so many seconds at most',
    ),
    quiet: flag('print nothing: the exit status says it'),
  },
  watch: true,
  examples: [
    { line: 'tsbridge status', does: 'what it repaired, and what differs now' },
    { line: 'tsbridge status --wait=30 --quiet', does: 'for scripts: 0 when it serves' },
  ],
  exits: {
    ok: 'it runs, and everything is as it should be',
    failed: 'it does not run, or does not answer',
    usage: 'wrong command line',
    differs: 'it runs, and something is degraded or has to be repaired',
  },
  schema: 'status',
  // A daemon that recovers after a boot answers only when it has finished.
  timeoutMs: 60_000,
  async ask({ request, flags }) {
    const status = await awaited(() => request<Status>('GET', '/status'), flags.wait ?? 0);
    return { source: 'daemon', warnings: [], items: [status] };
  },
  show: ({ items: [status] }, { flags }) => (flags.quiet ? nothing : show(status as Status)),
  exit: ({ items: [status] }) => (isSound(status as Status) ? 'ok' : 'differs'),
});

/** Milliseconds from one question to the next: for each the daemon compares the whole host. */
const pauseMs = 1_000;

/** Asks until everything is as it should be; when the time is over, gives the last answer or throws the last error. */
async function awaited(ask: () => Promise<Status>, waitMs: number): Promise<Status> {
  const end = performance.now() + waitMs;
  for (;;) {
    const answer = await ask().catch((error: unknown) => {
      if (performance.now() + pauseMs > end) throw error;
      return undefined;
    });
    const last = performance.now() + pauseMs > end;
    if (answer !== undefined && (last || isSound(answer))) return answer;
    await sleep(pauseMs);
  }
}

function isSound({ state, drift, degraded }: Status): boolean {
  return state === 'serving' && drift.count === 0 && degraded.length === 0;
}

function show(status: Status): TerminalText {
  const { repairs, drift, degraded, proxy, names, forgotten } = status;
  const rows: [string, string][] = [
    ['daemon', `${status.version}, process ${status.pid}, since ${status.startedAt}`],
    ['state', status.state],
    ['rules', `${status.generation}; IPv4: ${status.iptables}, IPv6: ${status.ip6tables}`],
    ['rules are written', showRuleCommits(status)],
    ['networks', showNetworks(status)],
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
    ['limits queue in', status.limitQueue ?? 'unknown'],
    ['longest stall', `${status.longestStallMs} ms`],
    ...Object.entries(repairs).map(([what, watch]): [string, string] => [
      `repairs of ${what}`,
      showWatch(watch),
    ]),
    ['to be repaired', drift.count === 0 ? 'nothing' : `${drift.count} changes`],
    ...drift.first.map((line): [string, string] => ['', line]),
    ['names', showNames(names)],
    ['forgotten', forgotten.length === 0 ? 'nothing' : `${forgotten.length}: see tsbridge gc`],
    ...forgotten
      .slice(0, 10)
      .map(({ kind, id, bridge, forSeconds }): [string, string] => [
        '',
        `${kind} ${id.slice(0, 12)} on ${bridge}: the engine has not listed it for ${forSeconds} s`,
      ]),
    ['degraded', degraded.length === 0 ? 'nothing' : degraded.join('; ')],
  ];
  return columns(rows);
}

/** A daemon of an earlier version does not tell of tests. */
function showNetworks({ networks, testNetworks = 0 }: Status): string {
  return testNetworks === 0
    ? String(networks)
    : `${networks}, ${testNetworks} of them of a connectivity test`;
}

function showNames({ from, asOf, stale }: Status['names']): string {
  if (from === 'none') return 'none: the engine has told none';
  const source = from === 'docker' ? 'by the engine' : "by the engine's files";
  return `${source}, as of ${asOf}${stale ? '; it does not answer now' : ''}`;
}

/** How many commits each transport has made, and why the last one by iptables-restore was not made by netlink. */
function showRuleCommits({ ruleCommits }: Status): string {
  if (ruleCommits === null) return 'not at all';
  const { netlink, restore, lastRestore } = ruleCommits;
  if (netlink.commits === 0 && restore.commits === 0) return 'none yet';
  const why = lastRestore === undefined ? '' : `, last because of: ${lastRestore}`;
  return `by netlink: ${netlink.commits} commits; by iptables-restore: ${restore.commits}${why}`;
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
