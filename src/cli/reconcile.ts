/** `tsbridge reconcile`: makes the host what it should be, or shows what that would take. */
import type { ForgottenNetwork } from '../driver/orphans/forgotten-networks.js';
import { adminCommand } from './admin-command.js';
import { exitCodes } from './command.js';

export const reconcileCommand = adminCommand<'dry-run', ReconcileAnswer>({
  name: 'reconcile',
  summary: 'repair rules, links and settings now, or show what that would do',
  help: {
    usage: 'reconcile [--dry-run]',
    about: [
      'The daemon repairs by itself what others change. This does the same on demand, and shows\n',
      'what is done: a line each. Networks that the engine may have forgotten are named, and left\n',
      'alone: see tsbridge forget.\n',
    ].join(''),
    flags: [['--dry-run', 'show what would be done, and do nothing']],
    exits: {
      ok: 'everything is as it should be; with --dry-run: it was already',
      failed: 'it could not be done, or the daemon does not run',
      differs: 'with --dry-run: something would be done',
    },
  },
  switches: ['dry-run'],
  ask: ({ given, request }) => request('POST', '/reconcile', { dryRun: given('dry-run') }),
  show,
  exitCode: (answer, { given }) =>
    given('dry-run') && changesIn(answer).length > 0 ? exitCodes.differs : exitCodes.ok,
});

/** The daemon's JSON; every other field has the lines of one concern. */
interface ReconcileAnswer {
  readonly dryRun: boolean;
  /** Absent in the answer of a daemon of an earlier version. */
  readonly forgotten?: readonly ForgottenNetwork[];
}

function show(answer: ReconcileAnswer): string {
  const lines = changesIn(answer).map((line) => `${line}\n`);
  const done = lines.length === 0 ? ['Everything is as it should be.\n'] : lines;
  return [...done, ...(answer.forgotten ?? []).map(showForgotten)].join('');
}

function changesIn(answer: ReconcileAnswer): string[] {
  return Object.entries(answer).flatMap(([name, lines]) =>
    name === 'dryRun' || name === 'forgotten' ? [] : (lines as readonly string[]),
  );
}

function showForgotten({ id, bridge, subnets }: ForgottenNetwork): string {
  const short = id.slice(0, 12);
  return (
    `left alone: network ${short} (${[bridge, ...subnets].join(', ')}) has no containers, and no engine ` +
    `has used it since the last start; if docker network ls does not list it: tsbridge forget ${short}\n`
  );
}
