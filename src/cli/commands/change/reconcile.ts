/** `tsbridge reconcile`: makes the host what it should be, or shows what that would take. */
import type { ForgottenNetwork } from '../../../driver/orphans/forgotten-networks.js';
import { reportCommand } from '../../define.js';
import { joined, plain, type TerminalText } from '../../output/fit.js';
import { flag } from '../../table/entry.js';

interface Change {
  /** The concern that the change is of: `rules`, `links`, … */
  readonly concern: string;
  readonly change: string;
}

/** The daemon's JSON. Each further field is called after a concern, and has its changes, a line each. */
interface ReconcileAnswer {
  readonly dryRun: boolean;
  /** Absent in the answer of a daemon of an earlier version. */
  readonly forgotten?: readonly ForgottenNetwork[];
}

export const reconcileCommand = reportCommand({
  name: 'reconcile',
  summary: 'repair rules, links and settings now, or show what that would do',
  about: [
    'The daemon repairs by itself what others change. This does the same on demand, and shows what is ' +
      'done: a line each. Networks that the engine may have forgotten are named, and left alone: see ' +
      'tsbridge forget.',
  ],
  words: {},
  flags: { 'dry-run': flag('show what would be done, and do nothing') },
  examples: [{ line: 'tsbridge reconcile --dry-run', does: 'what a repair would do now' }],
  exits: {
    ok: 'everything is as it should be; with --dry-run: it was already',
    failed: 'it could not be done, or the daemon does not run',
    usage: 'wrong command line',
    differs: 'with --dry-run: something would be done',
  },
  schema: 'reconcile',
  timeoutMs: 60_000,
  async ask({ flags, request }) {
    const dryRun = flags['dry-run'];
    const answer = await request<ReconcileAnswer>('POST', '/reconcile', { dryRun });
    const more = { dryRun: answer.dryRun, forgotten: answer.forgotten ?? [] };
    return { source: 'daemon', warnings: [], items: changesIn(answer), more };
  },
  show: ({ items, more }) => show(items, more?.forgotten as readonly ForgottenNetwork[]),
  exit: ({ items }, { flags }) => (flags['dry-run'] && items.length > 0 ? 'differs' : 'ok'),
});

function changesIn(answer: ReconcileAnswer): Change[] {
  return Object.entries(answer).flatMap(([concern, lines]) =>
    concern === 'dryRun' || concern === 'forgotten'
      ? []
      : (lines as readonly string[]).map((change) => ({ concern, change })),
  );
}

function show(changes: readonly Change[], forgotten: readonly ForgottenNetwork[]): TerminalText {
  const lines = changes.map(({ change }) => plain`${change}\n`);
  const done = lines.length === 0 ? [plain`Everything is as it should be.\n`] : lines;
  return joined([...done, ...forgotten.map(showForgotten)]);
}

function showForgotten({ id, bridge, subnets }: ForgottenNetwork): TerminalText {
  const short = id.slice(0, 12);
  const what = [bridge, ...subnets].join(', ');
  return plain`left alone: network ${short} (${what}) has no containers, and no engine has used it since the last start; if docker network ls does not list it: tsbridge forget ${short}\n`;
}
