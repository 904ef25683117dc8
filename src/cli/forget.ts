/** `tsbridge forget`: removes a network that the engine does not know. */
import type { ForgottenNetwork } from '../driver/orphans/forgotten-networks.js';
import { adminCommand } from './admin-command.js';
import { exitCodes } from './command.js';

export const forgetCommand = adminCommand<'yes', ForgottenNetwork>({
  name: 'forget',
  summary: 'remove a network that the engine has forgotten',
  help: {
    usage: 'forget NETWORK [--yes]',
    about: [
      'If the engine or the daemon dies over docker network create or rm, the engine can go on without\n',
      'the network, whose bridge, rules and record stay. tsbridge reconcile lists networks of which that\n',
      'may be so. Look first whether the engine knows the network (docker network ls --no-trunc): if it\n',
      'does, use docker network rm. A network that a container or an engine uses is not removed.\n',
      '\nNETWORK is an id, its first four or more digits, or the name of a bridge.\n',
    ].join(''),
    flags: [['--yes', 'do it; without, show what would be removed, and remove nothing']],
    exits: {
      ok: 'the network is gone',
      failed: 'it is not known or in use, or the daemon does not run',
      differs: 'without --yes: it would be removed',
    },
  },
  switches: ['yes'],
  word: { missing: 'which NETWORK? tsbridge reconcile lists the candidates' },
  ask: ({ word, given, request }) =>
    request('POST', '/forget', { network: word, dryRun: !given('yes') }),
  show: (gone, { given }) => show(gone, !given('yes')),
  exitCode: (_gone, { given }) => (given('yes') ? exitCodes.ok : exitCodes.differs),
});

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
