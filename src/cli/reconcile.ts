/** `tsbridge reconcile`: makes the host what it should be, or shows what that would take. */
import type { ForgottenNetwork } from '../driver/orphans/forgotten-networks.js';
import { AdminError, askDaemon, readAdminArguments } from './admin-client.js';
import { type Command, columns, exitCodes } from './command.js';

export const reconcileCommand: Command = {
  name: 'reconcile',
  summary: 'repair rules, links and settings now, or show what that would do',
  help: () =>
    [
      'Usage: tsbridge reconcile [--dry-run] [--json] [--runtime-dir DIR]\n',
      '\nThe daemon repairs by itself what others change. This does the same on demand, and shows\n',
      'what is done: a line each. Networks that the engine may have forgotten are named, and left\n',
      'alone: see tsbridge forget.\n',
      `\nFlags:\n${columns([
        ['--dry-run', 'show what would be done, and do nothing'],
        ['--json', "the daemon's answer as it is"],
        ['--runtime-dir DIR', "the daemon's, if it is not the default or in its configuration"],
      ])}`,
      `\nExit status:\n${columns([
        [String(exitCodes.ok), 'everything is as it should be; with --dry-run: it was already'],
        [String(exitCodes.failed), 'it could not be done, or the daemon does not run'],
        [String(exitCodes.differs), 'with --dry-run: something would be done'],
      ])}`,
    ].join(''),
  async run(args, terminal) {
    const read = await readAdminArguments(args, ['dry-run', 'json'], terminal);
    if (read === undefined) return exitCodes.usage;
    const dryRun = read.given.has('dry-run');
    try {
      const body = { dryRun };
      const done = await askDaemon<ReconcileAnswer>(read.socketPath, 'POST', '/reconcile', body);
      const lines = changesIn(done);
      if (read.given.has('json')) terminal.out(`${JSON.stringify(done, null, 2)}\n`);
      else if (lines.length === 0) terminal.out('Everything is as it should be.\n');
      else terminal.out(lines.map((line) => `${line}\n`).join(''));
      // A daemon of an earlier version sends none.
      if (!read.given.has('json')) terminal.out((done.forgotten ?? []).map(showForgotten).join(''));
      return dryRun && lines.length > 0 ? exitCodes.differs : exitCodes.ok;
    } catch (error) {
      if (!(error instanceof AdminError)) throw error;
      terminal.err(`tsbridge reconcile: ${error.message}\n`);
      return exitCodes.failed;
    }
  },
};

/** The daemon's JSON; every other field has the lines of one concern. */
interface ReconcileAnswer {
  readonly dryRun: boolean;
  readonly forgotten?: readonly ForgottenNetwork[];
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
