/** `tsbridge forget`: removes a network that the engine does not know any more. */
import type { ForgottenNetwork } from '../driver/orphans/forgotten-networks.js';
import { AdminError, askDaemon, readAdminArguments } from './admin-client.js';
import { type Command, columns, exitCodes } from './command.js';

export const forgetCommand: Command = {
  name: 'forget',
  summary: 'remove a network that the engine has forgotten',
  help: () =>
    [
      'Usage: tsbridge forget NETWORK [--yes] [--json] [--runtime-dir DIR]\n',
      '\nIf the engine or the daemon dies over docker network create or rm, the engine can go on without\n',
      'the network, whose bridge, rules and record stay. tsbridge reconcile lists networks of which that\n',
      'may be so. Look first whether the engine knows the network (docker network ls --no-trunc): if it\n',
      'does, use docker network rm. A network that a container or an engine uses is not removed.\n',
      '\nNETWORK is an id, its first four or more digits, or the name of a bridge.\n',
      `\nFlags:\n${columns([
        ['--yes', 'do it; without, show what would be removed, and remove nothing'],
        ['--json', "the daemon's answer as it is"],
        ['--runtime-dir DIR', "the daemon's, if it is not the default or in its configuration"],
      ])}`,
      `\nExit status:\n${columns([
        [String(exitCodes.ok), 'the network is gone'],
        [String(exitCodes.failed), 'it is not known or in use, or the daemon does not run'],
        [String(exitCodes.differs), 'without --yes: it would be removed'],
      ])}`,
    ].join(''),
  async run(args, terminal) {
    const read = await readAdminArguments(args, ['yes', 'json'], terminal, 1);
    if (read === undefined) return exitCodes.usage;
    const [network] = read.words;
    if (network === undefined) {
      terminal.err('tsbridge forget: which NETWORK? tsbridge reconcile lists the candidates\n');
      return exitCodes.usage;
    }
    const dryRun = !read.given.has('yes');
    try {
      const body = { network, dryRun };
      const gone = await askDaemon<ForgottenNetwork>(read.socketPath, 'POST', '/forget', body);
      terminal.out(
        read.given.has('json') ? `${JSON.stringify(gone, null, 2)}\n` : show(gone, dryRun),
      );
      return dryRun ? exitCodes.differs : exitCodes.ok;
    } catch (error) {
      if (!(error instanceof AdminError)) throw error;
      terminal.err(`tsbridge forget: ${error.message}\n`);
      return exitCodes.failed;
    }
  },
};

function show({ id, bridge, bridgeGoes, subnets }: ForgottenNetwork, dryRun: boolean): string {
  const what = [
    `network ${id}`,
    `subnets ${subnets.join(', ') || 'none'}`,
    bridgeGoes ? `bridge ${bridge}, with its rules` : `the rules of ${bridge}; the bridge stays`,
    'its record',
  ];
  const list = what.map((line) => `  ${line}\n`).join('');
  return dryRun
    ? `This would be removed:\n${list}If docker network ls still lists it, its containers would not ` +
        'start any more.\nNothing was done: give --yes to remove it.\n'
    : `Removed:\n${list}`;
}
