/** `tsbridge set`: changes the limits of containers, while they run. */
import { limitsText } from '../../../core/network/limits.js';
import type { LimitedEndpoint } from '../../../operator/limit-setting.js';
import { reportCommand } from '../../define.js';
import { joined, plain } from '../../output/fit.js';
import { required, several } from '../../table/entry.js';
import { container, type Kind } from '../../table/kinds.js';
import { UsageError } from '../../table/parse.js';

const place: Kind<string> = {
  ...container,
  accepts: `${container.accepts}; @NETWORK after it if it is on several; @NETWORK alone: all containers of the network`,
  placeholder: '[CONTAINER][@NETWORK]',
};

const limitWord: Kind<string> = {
  accepts:
    'rate_down, rate_up, burst_down or burst_up, with = and a value as for docker network create -o, or default',
  placeholder: 'LIMIT=VALUE',
  parse: (text) => (/^[a-z_]{1,20}=[a-z0-9.]{1,40}$/.test(text) ? text : undefined),
};

export const setCommand = reportCommand({
  name: 'set',
  summary: 'change how fast containers may receive and send, while they run',
  about: [
    'rate_down is what a container receives, rate_up what it sends; burst_down and burst_up go with them. No connection ' +
      'ends, and a rate that changes loses no packet. What is set for a container counts more than its options, and is kept until it leaves ' +
      'the network (also by a stop); what is set for a network, until that is removed. none takes a limit away; default takes away what was set, so that the options of the container and the network count again.',
    'Rates are in bits per second and need a unit, from 64kbit to 400gbit; bursts are in bytes, or with k or m in KiB or MiB, from 2k to 64m.',
  ],
  words: {
    place: required(
      place,
      'whose limits: CONTAINER, CONTAINER@NETWORK, or @NETWORK for all of its containers',
      'which CONTAINER, or which @NETWORK? tsbridge ps names them',
    ),
    limits: several(limitWord, 'rate_down, rate_up, burst_down or burst_up, with = and a value'),
  },
  flags: {},
  examples: [
    {
      line: 'tsbridge set web rate_down=20mbit rate_up=5mbit',
      does: 'of one container, on its only network',
    },
    { line: 'tsbridge set web@shop rate_up=none', does: 'on one of its networks' },
    { line: 'tsbridge set web rate_up=default', does: 'back to its own and its network’s options' },
    { line: 'tsbridge set @shop rate_down=100mbit', does: 'of all containers of a network' },
  ],
  exits: {
    ok: 'it is set',
    failed: 'it could not be done, or the daemon does not run',
    usage: 'wrong command line',
  },
  schema: 'set',
  timeoutMs: 60_000,
  async ask({ words, request }) {
    if (words.limits.length === 0)
      throw new UsageError('which limits? for example rate_down=20mbit');
    const [name = '', network] = words.place.split('@');
    const { limited } = await request<{ limited: readonly LimitedEndpoint[] }>(
      'POST',
      '/v1/limits',
      {
        ...(name === '' ? {} : { container: name }),
        ...(network === undefined ? {} : { network }),
        limits: words.limits,
      },
    );
    return { source: 'daemon', warnings: [], items: limited };
  },
  show: ({ items }) =>
    items.length === 0
      ? plain`set; the network has no containers\n`
      : joined(
          items.map(({ endpoint, container: name, network, limits }) => {
            const on = network.name ?? network.id.slice(0, 12);
            return plain`${name ?? endpoint.slice(0, 12)}@${on}: ${limitsText(limits)} (down/up)\n`;
          }),
        ),
  exit: () => 'ok',
});
