/** `tsbridge forget`: removes a network that the engine does not know. */
import type { ForgottenEndpoint } from '../../../driver/orphans/collected.js';
import type { ForgottenNetwork } from '../../../driver/orphans/forgotten-networks.js';
import { reportCommand } from '../../define.js';
import { joined, plain, type TerminalText } from '../../output/fit.js';
import { flag, required } from '../../table/entry.js';
import { network } from '../../table/kinds.js';

export const forgetCommand = reportCommand({
  name: 'forget',
  summary: 'remove a network or an endpoint that the engine has forgotten',
  about: [
    'If the engine or the daemon dies over docker network create or rm, the engine can go on without the ' +
      'network, whose bridge, rules and record stay. tsbridge reconcile lists networks of which that may ' +
      'be so. Look first whether the engine knows the network (docker network ls --no-trunc): if it does, ' +
      'use docker network rm. A network that a container or an engine uses is not removed.',
    'An endpoint is removed if the engine, asked twice 10 s apart, lists no container with it, and its interface is not in ' +
      'a container: docker network disconnect or docker stop did not reach the daemon then, and its host ports are held still.',
  ],
  words: {
    network: required(
      { ...network, accepts: 'an id, its first four or more digits, or the name of a bridge' },
      'the id of a network or an endpoint, its first four or more digits, or the name of a bridge',
      'which NETWORK? tsbridge reconcile lists the candidates',
    ),
  },
  flags: { yes: flag('do it; without, show what would be removed, and remove nothing') },
  examples: [{ line: 'tsbridge forget 51e0a1b2c3d4', does: 'what would go' }],
  exits: {
    ok: 'the network is gone',
    failed: 'it is not known or in use, or the daemon does not run',
    usage: 'wrong command line',
    differs: 'without --yes: it would be removed',
  },
  schema: 'forget',
  timeoutMs: 60_000,
  async ask({ words, flags, request }) {
    const dryRun = !flags.yes;
    const gone = await request<Gone>('POST', '/forget', {
      network: words.network,
      dryRun,
    });
    return { source: 'daemon', warnings: [], items: [gone], more: { dryRun } };
  },
  show: ({ items: [gone] }, { flags }) => show(gone as Gone, !flags.yes),
  exit: (_report, { flags }) => (flags.yes ? 'ok' : 'differs'),
});

type Gone = ForgottenNetwork | ForgottenEndpoint;

function parts(gone: Gone): string[] {
  if ('ports' in gone) {
    const { id, bridge, ports } = gone;
    return [`endpoint ${id} on ${bridge}`, `host ports ${ports.join(', ') || 'none'}`];
  }
  const { id, bridge, bridgeGoes, subnets } = gone;
  return [
    `network ${id}`,
    `subnets ${subnets.join(', ') || 'none'}`,
    bridgeGoes ? `bridge ${bridge}, with its rules` : `the rules of ${bridge}; the bridge stays`,
  ];
}

function show(gone: Gone, dryRun: boolean): TerminalText {
  const what = [...parts(gone), 'its record'];
  const list = joined(what.map((line) => plain`  ${line}\n`));
  return dryRun
    ? plain`This would be removed:\n${list}If docker network ls still lists it, its containers would not start any more.\nNothing was done: give --yes to remove it.\n`
    : plain`Removed:\n${list}`;
}
